// The pass on a phone and its fresh step (twin of steps.py; both are held to tests/vectors/steps.json).
// Pure: no imports, no page, no clock but the one that is given.

export const STEP_S = 15;
export const FRESH_S = 75;
export const EARLY_S = 60;
const CONTEXT = new TextEncoder().encode("khien step 1");
const TAIL = 4 + 64;
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/** RFC 9285. Throws a RangeError for what is no base45. */
export function base45Decode(text) {
  const out = [];
  for (let at = 0; at < text.length; at += 3) {
    const digits = [...text.slice(at, at + 3)].map((c) => ALPHABET.indexOf(c));
    if (digits.length < 2 || digits.includes(-1)) throw new RangeError("base45");
    const value = digits[0] + 45 * digits[1] + 2025 * (digits[2] ?? 0);
    if (value > (digits.length === 3 ? 0xffff : 0xff)) throw new RangeError("base45");
    if (digits.length === 3) out.push(value >> 8);
    out.push(value & 0xff);
  }
  return new Uint8Array(out);
}

export function base45Encode(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 2) {
    const pair = at + 1 < bytes.length;
    const value = pair ? bytes[at] * 256 + bytes[at + 1] : bytes[at];
    text += ALPHABET[value % 45] + ALPHABET[Math.floor(value / 45) % 45];
    if (pair) text += ALPHABET[Math.floor(value / 2025)];
  }
  return text;
}

/** One CBOR item (RFC 8949) as [value, next offset]: integers, byte and text strings, arrays, maps, tags, true, false,
 * null. A map is a Map, a tag `{tag, value}`. Throws a RangeError for anything else. */
export function cbor(bytes, at = 0, depth = 0) {
  if (depth > 16 || at >= bytes.length) throw new RangeError("cbor");
  const kind = bytes[at] >> 5;
  const low = bytes[at] & 31;
  at += 1;
  let number = low;
  if (low >= 24) {
    const length = { 24: 1, 25: 2, 26: 4, 27: 8 }[low];
    if (!length || at + length > bytes.length) throw new RangeError("cbor");
    number = 0;
    for (let n = 0; n < length; n += 1) number = number * 256 + bytes[at + n];
    if (!Number.isSafeInteger(number)) throw new RangeError("cbor");
    at += length;
  }
  if (kind === 0) return [number, at];
  if (kind === 1) return [-1 - number, at];
  if (kind === 2 || kind === 3) {
    if (at + number > bytes.length) throw new RangeError("cbor");
    const part = bytes.subarray(at, at + number);
    return [kind === 2 ? part : new TextDecoder("utf-8", { fatal: true }).decode(part), at + number];
  }
  if (kind === 4 || kind === 5) {
    const items = [];
    for (let n = 0; n < number * (kind - 3); n += 1) {
      const [item, next] = cbor(bytes, at, depth + 1);
      items.push(item);
      at = next;
    }
    if (kind === 4) return [items, at];
    return [new Map(Array.from({ length: number }, (_, n) => [items[2 * n], items[2 * n + 1]])), at];
  }
  if (kind === 6) {
    const [value, next] = cbor(bytes, at, depth + 1);
    return [{ tag: number, value }, next];
  }
  if (low === 20 || low === 21 || low === 22) return [{ 20: false, 21: true, 22: null }[low], at];
  throw new RangeError("cbor");
}

function head(kind, number) {
  if (number < 24) return [(kind << 5) | number];
  if (number < 256) return [(kind << 5) | 24, number];
  return [(kind << 5) | 25, number >> 8, number & 255];
}

/** What the pass key signed: the Sig_structure of RFC 9052, section 4.4. */
function toBeSigned(header, payload) {
  const words = new TextEncoder().encode("Signature1");
  return new Uint8Array([
    0x84, ...head(3, words.length), ...words, ...head(2, header.length), ...header, 0x40,
    ...head(2, payload.length), ...payload,
  ]);
}

/** The parts of a `YT1:` or `YT2:` text, unverified: {card, kid (hex), claims (Map), header, payload, signature, step,
 * stepSignature, point}. Throws a RangeError for anything else. */
export function readPass(text) {
  if (!/^YT[12]:/.test(text) || text.length > 740) throw new RangeError("not a pass");
  const data = base45Decode(text.slice(4));
  const stepped = text.startsWith("YT2:");
  if (stepped && data.length <= TAIL) throw new RangeError("not a pass");
  const card = stepped ? data.subarray(0, -TAIL) : data;
  const [message, end] = cbor(card);
  const parts = message?.tag === 18 && message.value;
  if (end !== card.length || !Array.isArray(parts) || parts.length !== 4 || parts[3]?.length !== 64) {
    throw new RangeError("not a pass");
  }
  const [header, , payload, signature] = parts;
  const kid = cbor(header)[0].get(4);
  const [claims, last] = cbor(payload);
  if (cbor(header)[0].get(1) !== -7 || last !== payload.length || !(claims instanceof Map)) {
    throw new RangeError("not a pass");
  }
  return {
    card, header, payload, signature, claims, point: devicePoint(claims),
    kid: [...kid].map((b) => b.toString(16).padStart(2, "0")).join(""),
    step: stepped ? new DataView(data.buffer, data.byteOffset + card.length, 4).getUint32(0) : null,
    stepSignature: stepped ? data.subarray(-64) : null,
    stepped: stepped ? data.subarray(0, -64) : null,
  };
}

/** The phone's public key of the `cnf` claim as an uncompressed point; null for a pass without one. */
function devicePoint(claims) {
  const key = claims.get(8)?.get?.(1);
  if (!key) return null;
  const x = key.get(-2);
  const odd = key.get(-3);
  if (key.get(1) !== 2 || key.get(-1) !== 1 || x?.length !== 32 || typeof odd !== "boolean") {
    throw new RangeError("not a pass");
  }
  return uncompressed(x, odd);
}

const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

function power(base, exponent) {
  let result = 1n;
  for (let b = base % P, e = exponent; e; e >>= 1n, b = (b * b) % P) if (e & 1n) result = (result * b) % P;
  return result;
}

/** A compressed point of P-256 (SEC 1, 2.3.4) as 65 bytes: WebCrypto takes no compressed ones. */
export function uncompressed(x, odd) {
  const hex = (bytes) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  const wide = BigInt(`0x${hex(x)}`);
  const square = (((power(wide, 3n) - 3n * wide + B) % P) + P) % P;
  let y = power(square, (P + 1n) / 4n);
  if (wide >= P || (y * y) % P !== square) throw new RangeError("no point of the curve");
  if (Boolean(y & 1n) !== odd) y = P - y;
  const text = y.toString(16).padStart(64, "0");
  return new Uint8Array([4, ...x, ...text.match(/../g).map((pair) => parseInt(pair, 16))]);
}

const EC = { name: "ECDSA", namedCurve: "P-256" };
const ES256 = { name: "ECDSA", hash: "SHA-256" };

async function verifies(key, signature, message) {
  try {
    const usable = key instanceof CryptoKey ? key : await importKey(key);
    return await crypto.subtle.verify(ES256, usable, signature, message);
  } catch {
    return false;
  }
}

/** A public key to verify with: a JWK, or an uncompressed point as bytes. */
export function importKey(key) {
  return crypto.subtle.importKey(key instanceof Uint8Array ? "raw" : "jwk", key, EC, true, ["verify"]);
}

/**
 * What a scanned pass says, verified without network.
 *
 * `passKeys` maps the key id (hex of 4 bytes) to the pass key: a CryptoKey, a JWK or an uncompressed point. `now` is
 * milliseconds since 1970. Gives {sub, type, name, birthYear, expires (ms), fresh, age_s}: `fresh` is false for what
 * looks like a picture of a phone's pass, true for paper; `age_s` is null without a step. Throws a RangeError whose
 * message is "not a pass", "base45", "cbor", "unknown key" or "bad signature".
 */
export async function verifyStep(text, passKeys, now) {
  const read = readPass(text);
  const key = passKeys instanceof Map ? passKeys.get(read.kid) : passKeys[read.kid];
  if (!key) throw new RangeError("unknown key");
  if (!(await verifies(key, read.signature, toBeSigned(read.header, read.payload)))) {
    throw new RangeError("bad signature");
  }
  const { fresh, age_s } = await freshness(read, now);
  return {
    sub: name(read.claims.get(2)), type: read.claims.get(-70001), name: read.claims.get(-70002) ?? "",
    birthYear: read.claims.get(-70003) ?? null, expires: read.claims.get(4) * 1000, fresh, age_s,
  };
}

async function freshness(read, now) {
  const age = read.step === null ? null : (now - read.step * STEP_S * 1000) / 1000;
  if (!read.point) return { fresh: true, age_s: age };
  const inTime = age !== null && age >= -EARLY_S && age <= FRESH_S;
  const fresh = inTime && (await verifies(read.point, read.stepSignature, joined(CONTEXT, read.stepped)));
  return { fresh, age_s: age };
}

/** The pseudonym as 16 letters of base32, however the pass bears it. */
function name(sub) {
  if (typeof sub === "string") return sub;
  const bits = [...sub].map((b) => b.toString(2).padStart(8, "0")).join("");
  return bits.match(/.{5}/g).map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[parseInt(five, 2)]).join("");
}

/** The text that the phone shows now: the pass `YT1:…` with a step signed by the phone's private key. */
export async function makeStep(passText, privateKey, now) {
  const card = base45Decode(passText.slice(4));
  const step = new Uint8Array(4);
  new DataView(step.buffer).setUint32(0, Math.floor(now / 1000 / STEP_S));
  const stepped = joined(card, step);
  const signature = new Uint8Array(await crypto.subtle.sign(ES256, privateKey, joined(CONTEXT, stepped)));
  return `YT2:${base45Encode(joined(stepped, signature))}`;
}

/** A key that never leaves the phone: {privateKey, point (65 bytes)}. */
export async function makeKey() {
  const pair = await crypto.subtle.generateKey(EC, false, ["sign"]);
  return { privateKey: pair.privateKey, point: new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)) };
}

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
