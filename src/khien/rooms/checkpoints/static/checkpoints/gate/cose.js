// COSE_Sign1 (RFC 9052) with ES256 or PS256, verified by WebCrypto: health certificates. Twin of kernel/signing/cose.py.
import { fromBase64, same, utf8 } from "./bytes.js";
import { Tagged, decode } from "./cbor.js";

const SIGN1 = 18;
const CWT = 61;
const ALG = 1;
const CRIT = 2;
const KID = 4;
const MIN_RSA_BITS = 2048;
export const ES256 = -7;
export const PS256 = -37;

// {alg, kid, protected, payload, signature} of a message, nothing of it verified. Throws for any other shape.
export function open(octets) {
  let message = decode(octets);
  if (message instanceof Tagged && message.tag === CWT) message = message.value;
  if (message instanceof Tagged && message.tag === SIGN1) message = message.value;
  if (!Array.isArray(message) || message.length !== 4) throw new Error("cose");
  const [header, loose, payload, signature] = message;
  if (![header, payload, signature].every((part) => part instanceof Uint8Array)) throw new Error("cose");
  const known = header.length ? decode(header) : new Map();
  if (!(known instanceof Map) || !(loose instanceof Map) || known.has(CRIT)) throw new Error("cose");
  // What is under the signature wins.
  const alg = known.get(ALG) ?? loose.get(ALG);
  const kid = known.get(KID) ?? loose.get(KID);
  if (![ES256, PS256].includes(alg)) throw new Error("cose: algorithm");
  if (!(kid instanceof Uint8Array)) throw new Error("cose: kid");
  return { alg, kid, protected: header, payload, signature };
}

const RSA = { key: { name: "RSA-PSS", hash: "SHA-256" }, check: { name: "RSA-PSS", saltLength: 32 } };
const curve = (namedCurve) => ({ key: { name: "ECDSA", namedCurve }, check: { name: "ECDSA", hash: "SHA-256" } });
// RFC 9053, section 2.1, lets ES256 go with other curves, and some issuers use P-384: the length tells which.
const CURVES = { 64: curve("P-256"), 96: curve("P-384") };
const imported = new Map();

// How the message can have been signed; undefined for a signature of another length.
const howOf = (message) => (message.alg === PS256 ? RSA : CURVES[message.signature.length]);

// The key, or null when it is of another kind.
async function keyOf(spki, how) {
  const name = `${how.key.namedCurve ?? how.key.name} ${spki}`;
  if (!imported.has(name)) {
    const key = await crypto.subtle.importKey("spki", fromBase64(spki), how.key, false, ["verify"]).catch(() => null);
    imported.set(name, key?.algorithm.modulusLength < MIN_RSA_BITS ? null : key);
  }
  return imported.get(name);
}

// Which of `signers` ({kid, spki}, both base64url) signed the message: "unknown" when none has its key id.
export async function signerOf(message, signers) {
  const likely = signers.filter((signer) => same(fromBase64(signer.kid), message.kid));
  if (!likely.length) return { signer: null, why: "unknown_key" };
  const signed = structure(message);
  const how = howOf(message);
  for (const signer of how ? likely : []) {
    const key = await keyOf(signer.spki, how);
    if (key && (await crypto.subtle.verify(how.check, key, message.signature, signed))) {
      return { signer, why: "" };
    }
  }
  return { signer: null, why: "bad_signature" };
}

// The Sig_structure of RFC 9052, section 4.4.
function structure(message) {
  const parts = [[0x84, 0x6a], utf8("Signature1"), head(message.protected), message.protected, [0x40]];
  parts.push(head(message.payload), message.payload);
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function head(octets) {
  const length = octets.length;
  if (length < 24) return [0x40 | length];
  if (length < 256) return [0x58, length];
  return [0x59, length >> 8, length & 0xff];
}
