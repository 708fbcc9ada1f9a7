// COSE_Sign1 (RFC 9052) with ES256 or PS256, verified by WebCrypto: our passes and health certificates.
import { fromBase64, same, utf8 } from "./bytes.js";
import { Tagged, decode } from "./cbor.js";

const SIGN1 = 18;
const CWT = 61;
const ALG = 1;
const KID = 4;
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
  if (!(known instanceof Map) || !(loose instanceof Map)) throw new Error("cose");
  // What is under the signature wins.
  const alg = known.get(ALG) ?? loose.get(ALG);
  const kid = known.get(KID) ?? loose.get(KID);
  if (![ES256, PS256].includes(alg)) throw new Error("cose: algorithm");
  if (!(kid instanceof Uint8Array)) throw new Error("cose: kid");
  if (alg === ES256 && signature.length !== 64) throw new Error("cose: signature");
  return { alg, kid, protected: header, payload, signature };
}

const HOW = {
  [ES256]: {
    key: { name: "ECDSA", namedCurve: "P-256" },
    check: { name: "ECDSA", hash: "SHA-256" },
  },
  [PS256]: {
    key: { name: "RSA-PSS", hash: "SHA-256" },
    check: { name: "RSA-PSS", saltLength: 32 },
  },
};
const imported = new Map();

async function keyOf(spki, alg) {
  const name = `${alg} ${spki}`;
  if (!imported.has(name)) {
    const key = await crypto.subtle
      .importKey("spki", fromBase64(spki), HOW[alg].key, false, ["verify"])
      .catch(() => null);
    imported.set(name, key);
  }
  return imported.get(name);
}

// Which of `signers` ({kid, spki}, both base64url) signed the message: "unknown" when none has its key id.
export async function signerOf(message, signers) {
  const likely = signers.filter((signer) => same(fromBase64(signer.kid), message.kid));
  if (!likely.length) return { signer: null, why: "unknown_key" };
  const signed = structure(message);
  for (const signer of likely) {
    const key = await keyOf(signer.spki, message.alg);
    if (key && (await crypto.subtle.verify(HOW[message.alg].check, key, message.signature, signed))) {
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
