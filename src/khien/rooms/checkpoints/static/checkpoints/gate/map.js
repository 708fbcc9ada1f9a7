// Reads the filter that `khien.rooms.checkpoints.filters` writes: a map from keys to classes, without the keys.
import { utf8 } from "./bytes.js";

const MAGIC = 0x3146474b; // "KGF1", little-endian

export class FilterMap {
  // `octets` is the file, `key` the filter key of its build (32 bytes).
  constructor(octets, key) {
    const view = new DataView(octets);
    this.length = view.getUint32(4, true);
    this.segments = view.getUint32(8, true);
    this.count = view.getUint32(12, true);
    this.table = new Uint16Array(octets.slice(16));
    const whole = (this.segments + 2) * this.length;
    if (view.getUint32(0, true) !== MAGIC || !this.segments || this.table.length !== whole) {
      throw new Error("not a filter");
    }
    this.key = crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  }

  // The class of a document's number or of a pass, or -1.
  async get(kind, number) {
    const digest = await crypto.subtle.sign("HMAC", await this.key, utf8(`${kind}:${number}`));
    return this.classOf(new DataView(digest));
  }

  classOf(digest) {
    const h = (place) => digest.getUint32(4 * place, true);
    const mask = this.length - 1;
    const start = (h(0) % this.segments) * this.length;
    const word =
      this.table[start + (h(1) & mask)] ^
      this.table[start + this.length + (h(2) & mask)] ^
      this.table[start + 2 * this.length + (h(4) & mask)];
    return word >> 4 === (h(3) & 0xfff) ? word & 15 : -1;
  }
}
