// What the device knows without asking: fetched when there is something new, refused when its signature is wrong.
import { fromBase64, textOf } from "./bytes.js";
import { fetchFrom } from "./device.js";
import { FilterMap } from "./map.js";
import * as store from "./store.js";

export const STALE_MS = 24 * 3_600_000;

export class Bundle {
  constructor(payload, map) {
    this.payload = payload;
    this.map = map;
    this.madeAt = Date.parse(payload.made_at);
  }

  // What the gate shows of somebody with any of these numbers; `listed` when the filter named them.
  async classOf(numbers) {
    const { classes } = this.payload.filter;
    let gravest = null;
    for (const [kind, number] of numbers) {
      const place = await this.map.get(kind, number);
      const found = place < 0 ? null : classes[place];
      if (found && (!gravest || ORDER.indexOf(found.colour) < ORDER.indexOf(gravest.colour))) gravest = found;
    }
    return { ...(gravest ?? this.payload.otherwise), listed: Boolean(gravest) };
  }
}

export const ORDER = ["red", "orange", "yellow", "green"];

async function verified(envelope, keys) {
  const key = keys.find((one) => one.kid === envelope.kid);
  if (!key) throw new Error("bundle: unknown key");
  const how = { name: "ECDSA", namedCurve: "P-256" };
  const opened = await crypto.subtle.importKey("spki", fromBase64(key.spki), how, false, ["verify"]);
  const octets = fromBase64(envelope.payload);
  const check = { name: "ECDSA", hash: "SHA-256" };
  if (!(await crypto.subtle.verify(check, opened, fromBase64(envelope.signature), octets))) {
    throw new Error("bundle: wrong signature");
  }
  return JSON.parse(textOf(octets));
}

async function whole(payload, octets) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", octets));
  const hex = Array.from(digest, (octet) => octet.toString(16).padStart(2, "0")).join("");
  if (hex !== payload.filter.sha256) throw new Error("filter: wrong bytes");
  return new Bundle(payload, new FilterMap(octets, fromBase64(payload.filter.key)));
}

// What was kept, verified again; null when there is none.
export async function kept(device) {
  const found = await store.get("bundle");
  if (!found) return null;
  const payload = await verified(found.envelope, device.bundleKeys);
  const octets = await store.file(payload.filter.sha256);
  return octets ? whole(payload, octets) : null;
}

// The newest bundle, or null when nothing is new. A wrong signature throws, and what is kept stays.
export async function fetchNew(device, address, current) {
  const found = current ? await store.get("bundle") : null;
  const kids = device.bundleKeys.map((key) => key.kid).join(",");
  const more = found?.tag ? { "If-None-Match": found.tag } : {};
  const reply = await fetchFrom(device, `${address}?kids=${encodeURIComponent(kids)}`, more);
  if (reply.status === 304) return null;
  const envelope = await reply.json();
  const payload = await verified(envelope, device.bundleKeys);
  // An older one, played back by somebody on the way, is refused too.
  if (current && Date.parse(payload.made_at) < current.madeAt) throw new Error("bundle: older than ours");
  const sha = payload.filter.sha256;
  const octets = (await store.file(sha)) ?? (await (await fetchFrom(device, `${address}/${sha}`)).arrayBuffer());
  const bundle = await whole(payload, octets);
  await store.keepBundle({ envelope, tag: reply.headers.get("ETag") }, sha, octets);
  const learned = payload.bundle_keys;
  if (JSON.stringify(learned) !== JSON.stringify(device.bundleKeys)) {
    device.bundleKeys = learned;
    await store.set("device", device);
  }
  return bundle;
}
