// Scans that the server has not yet answered. They are deleted only when an answer names their id.

const STORE = "scans";

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("khien-gate", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

let database = null;

async function inside(mode, act) {
  database ??= await open();
  return new Promise((resolve, reject) => {
    // Strict: "kept" is said only when the disk has it.
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const request = act(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

export const keep = (event) => inside("readwrite", (store) => store.put(event));
export const waiting = (limit) => inside("readonly", (store) => store.getAll(null, limit));
export const count = () => inside("readonly", (store) => store.count());
export const settle = (id) => inside("readwrite", (store) => store.delete(id));

// A UUID that sorts by time (RFC 9562, version 7), so that the queue goes out in order.
export function uuid7() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let now = Date.now();
  for (let place = 5; place >= 0; place -= 1) {
    bytes[place] = now % 256;
    now = Math.floor(now / 256);
  }
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
