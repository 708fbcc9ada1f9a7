// The device's own key, its token, and how it speaks to the server: every body that it posts is signed.
import { fromBase64, toBase64, utf8 } from "./bytes.js";
import * as store from "./store.js";

const ES256 = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };
const TIMEOUT_MS = 30_000;

export class Refused extends Error {
  constructor(status, body) {
    super(body?.message ?? `answer ${status}`);
    this.status = status;
    this.code = body?.code ?? "";
    this.wayOut = body?.way_out ?? "";
    this.body = body ?? {};
  }
}

export const known = () => store.get("device");

// Use up a one-time code. The private key is made here, cannot be taken out, and lives in the database of this page.
export async function enrol(code, address) {
  const pair = await crypto.subtle.generateKey(ES256, false, ["sign", "verify"]);
  const text = code.replace(/[\s-]/g, "").toUpperCase();
  const body = {
    code: text,
    public_key: toBase64(await crypto.subtle.exportKey("raw", pair.publicKey)),
    proof: toBase64(await crypto.subtle.sign(SIGNING, pair.privateKey, utf8(text))),
  };
  const reply = await fetch(address, {
    method: "POST",
    headers: headers(),
    body: JSON.stringify(body),
    credentials: "omit",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!reply.ok) throw new Refused(reply.status, await reply.json().catch(() => null));
  const made = await reply.json();
  const device = {
    id: made.device_id,
    name: made.name,
    unit: made.unit,
    token: made.token,
    key: pair.privateKey,
    bundleKeys: made.bundle_keys,
    state: "active",
  };
  await store.set("device", device);
  return device;
}

function headers(more = {}) {
  return { "Content-Type": "application/json", "Accept-Language": document.documentElement.lang, ...more };
}

export async function post(device, address, body) {
  const text = JSON.stringify(body);
  const signature = toBase64(await crypto.subtle.sign(SIGNING, device.key, utf8(text)));
  const reply = await fetch(address, {
    method: "POST",
    headers: headers({ Authorization: `Bearer ${device.token}`, "X-Khien-Signature": signature }),
    body: text,
    credentials: "omit",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!reply.ok) throw new Refused(reply.status, await reply.json().catch(() => null));
  return reply.json();
}

export async function fetchFrom(device, address, more = {}) {
  const reply = await fetch(address, {
    headers: headers({ Authorization: `Bearer ${device.token}`, ...more }),
    credentials: "omit",
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!reply.ok && reply.status !== 304) throw new Refused(reply.status, await reply.json().catch(() => null));
  return reply;
}

// Seals codes for the installation: this device cannot open again what it keeps. One ephemeral key a start.
export class Sealer {
  constructor(point) {
    this.point = point;
    this.ready = this.agree(fromBase64(point));
  }

  async agree(octets) {
    const curve = { name: "ECDH", namedCurve: "P-256" };
    const pair = await crypto.subtle.generateKey(curve, false, ["deriveBits"]);
    const theirs = await crypto.subtle.importKey("raw", octets, curve, false, []);
    const secret = await crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, pair.privateKey, 256);
    const material = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
    const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8("khien gate seal") };
    const key = await crypto.subtle.deriveKey(how, material, { name: "AES-GCM", length: 256 }, false, ["encrypt"]);
    return { key, mine: new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)) };
  }

  async seal(code, id) {
    const { key, mine } = await this.ready;
    const nonce = crypto.getRandomValues(new Uint8Array(12));
    const how = { name: "AES-GCM", iv: nonce, additionalData: utf8(id) };
    const cipher = new Uint8Array(await crypto.subtle.encrypt(how, key, utf8(code)));
    const whole = new Uint8Array(mine.length + nonce.length + cipher.length);
    whole.set(mine);
    whole.set(nonce, mine.length);
    whole.set(cipher, mine.length + nonce.length);
    return toBase64(whole);
  }
}
