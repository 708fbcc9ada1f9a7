// Bytes and the texts that codes are made of: base64url, base45 (RFC 9285), hex, UTF-8.

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const VALUE = new Map([...ALPHABET].map((letter, value) => [letter, value]));

export function fromBase64(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

export function toBase64(octets) {
  let plain = "";
  for (const octet of new Uint8Array(octets)) plain += String.fromCharCode(octet);
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export function fromBase45(text) {
  const octets = [];
  for (let place = 0; place < text.length; place += 3) {
    const part = [...text.slice(place, place + 3)].map((letter) => VALUE.get(letter));
    if (part.length === 1 || part.includes(undefined)) throw new Error("base45");
    const value = part[0] + part[1] * 45 + (part[2] ?? 0) * 2025;
    if (value > (part.length === 3 ? 0xffff : 0xff)) throw new Error("base45");
    if (part.length === 3) octets.push(value >> 8);
    octets.push(value & 0xff);
  }
  return Uint8Array.from(octets);
}

export function fromHex(text) {
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(text)) throw new Error("hex");
  return Uint8Array.from(text.match(/../g), (pair) => Number.parseInt(pair, 16));
}

export const utf8 = (text) => new TextEncoder().encode(text);
export const textOf = (octets) => new TextDecoder("utf-8", { fatal: true }).decode(octets);

export function same(one, other) {
  return one.length === other.length && one.every((octet, place) => octet === other[place]);
}

// Inflates a zlib stream and refuses more than `most` bytes, what is cut short and what has something behind it.
export async function inflate(octets, most) {
  const reader = new Blob([octets]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts = [];
  let length = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    length += value.length;
    if (length > most) {
      await reader.cancel();
      throw new Error("too large");
    }
    parts.push(value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
