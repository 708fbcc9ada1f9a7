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
