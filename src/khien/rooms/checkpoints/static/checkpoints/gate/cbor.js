// A small reader of CBOR (RFC 8949) for passes and certificates: maps become Map, byte strings Uint8Array.
import { textOf } from "./bytes.js";

const DEEPEST = 16;
const BREAK = Symbol("break");

export class Tagged {
  constructor(tag, value) {
    this.tag = tag;
    this.value = value;
  }
}

// One item and nothing behind it. Throws for everything else.
export function decode(octets) {
  const state = { octets, view: new DataView(octets.buffer, octets.byteOffset, octets.byteLength), at: 0 };
  const item = read(state, 0);
  if (item === BREAK || state.at !== octets.length) throw new Error("cbor");
  return item;
}

function take(state, count) {
  if (count > state.octets.length - state.at) throw new Error("cbor: short");
  const part = state.octets.subarray(state.at, state.at + count);
  state.at += count;
  return part;
}

function number(state, width) {
  const at = state.at;
  take(state, width);
  if (width === 1) return state.view.getUint8(at);
  if (width === 2) return state.view.getUint16(at);
  if (width === 4) return state.view.getUint32(at);
  const long = state.view.getBigUint64(at);
  return long <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(long) : long;
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function read(state, depth) {
  if (depth > DEEPEST) throw new Error("cbor: deep");
  const first = number(state, 1);
  const major = first >> 5;
  const more = first & 31;
  if (major === 7) return simple(state, more);
  const open = more === 31;
  if (open && (major < 2 || major === 6)) throw new Error("cbor");
  if (more > 27 && !open) throw new Error("cbor");
  const value = open ? Number.POSITIVE_INFINITY : more < 24 ? more : number(state, 1 << (more - 24));
  if (major === 0) return value;
  if (major === 1) return typeof value === "bigint" ? -1n - value : -1 - value;
  if (major === 2 || major === 3) {
    const octets = open ? chunks(state, major) : take(state, Number(value));
    return major === 2 ? octets : textOf(octets);
  }
  if (major === 6) return new Tagged(value, read(state, depth + 1));
  return major === 4 ? list(state, value, depth) : map(state, value, depth);
}

function chunks(state, major) {
  const parts = [];
  for (let first = number(state, 1); first !== 0xff; first = number(state, 1)) {
    if (first >> 5 !== major || (first & 31) > 27) throw new Error("cbor");
    const more = first & 31;
    parts.push(...take(state, Number(more < 24 ? more : number(state, 1 << (more - 24)))));
  }
  return Uint8Array.from(parts);
}

function list(state, count, depth) {
  const items = [];
  while (items.length < count) {
    const item = read(state, depth + 1);
    if (item === BREAK) {
      if (Number.isFinite(Number(count))) throw new Error("cbor");
      break;
    }
    items.push(item);
  }
  return items;
}

function map(state, count, depth) {
  const items = new Map();
  for (let done = 0; done < count; done += 1) {
    const key = read(state, depth + 1);
    if (key === BREAK) {
      if (Number.isFinite(Number(count))) throw new Error("cbor");
      break;
    }
    const value = read(state, depth + 1);
    if (value === BREAK) throw new Error("cbor");
    items.set(key, value);
  }
  return items;
}

function simple(state, more) {
  if (more === 20 || more === 21) return more === 21;
  if (more === 22) return null;
  if (more === 23) return undefined;
  if (more === 31) return BREAK;
  const at = state.at;
  if (more === 25) return half(number(state, 2));
  if (more === 26) {
    take(state, 4);
    return state.view.getFloat32(at);
  }
  if (more === 27) {
    take(state, 8);
    return state.view.getFloat64(at);
  }
  throw new Error("cbor");
}
