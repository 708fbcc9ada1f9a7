// What this phone holds: one pass and the key that never leaves it.

function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open("khien-pass", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("pass");
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function within(mode, act) {
  const base = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = base.transaction("pass", mode);
      const asked = act(transaction.objectStore("pass"));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    base.close();
  }
}

/** {sub, text, privateKey, expires, name, birthYear, colour, word, reason, at}, or undefined. */
export const kept = () => within("readonly", (store) => store.get("mine"));
export const keep = (pass) => within("readwrite", (store) => store.put(pass, "mine"));
export const forget = () => within("readwrite", (store) => store.delete("mine"));
