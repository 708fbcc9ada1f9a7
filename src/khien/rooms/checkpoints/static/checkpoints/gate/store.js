// What the device keeps: who it is, its queue, what it knows of people. One database, three stores.
//
// `queue` holds scans that no answer has named yet, under their ids; `meta` holds single values by name; `files`
// holds filters by their SHA-256. A scan is kept when its transaction has completed with strict durability: then,
// and only then, may the gate show green.

const NAME = "khien-gate-app";
let database = null;

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("queue", { keyPath: "id" });
      request.result.createObjectStore("meta");
      request.result.createObjectStore("files");
    };
    request.onsuccess = () => {
      // Some browsers close a database behind a page that slept.
      request.result.onclose = () => {
        database = null;
      };
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
}

// Run `act(stores)` in one transaction; what it returns may be a request, whose result is given.
export async function inside(names, mode, act, again = true) {
  database ??= await open();
  let transaction;
  try {
    transaction = database.transaction(names, mode, { durability: "strict" });
  } catch (fault) {
    if (!again || fault.name !== "InvalidStateError") throw fault;
    database = null;
    return inside(names, mode, act, false);
  }
  return new Promise((resolve, reject) => {
    const made = act(...[names].flat().map((name) => transaction.objectStore(name)));
    transaction.oncomplete = () => resolve(made instanceof IDBRequest ? made.result : made?.value);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
  });
}

export const get = (name) => inside("meta", "readonly", (meta) => meta.get(name));
export const set = (name, value) => inside("meta", "readwrite", (meta) => meta.put(value, name));
export const forget = (name) => inside("meta", "readwrite", (meta) => meta.delete(name));
export const file = (sha) => inside("files", "readonly", (files) => files.get(sha));

// Keep one scan: its number (1, 2, 3 … over the life of the device) and the shift's counts in the same transaction.
export function keep(event, colour) {
  return inside(["queue", "meta"], "readwrite", (queue, meta) => {
    const kept = {};
    meta.get("seq").onsuccess = ({ target }) => {
      const seq = (target.result ?? 0) + 1;
      kept.value = { ...event, seq };
      queue.add(kept.value);
      meta.put(seq, "seq");
    };
    meta.get("shift").onsuccess = ({ target }) => {
      const shift = target.result ?? { since: event.at, counts: {}, people: 0 };
      shift.counts[colour] = (shift.counts[colour] ?? 0) + 1;
      shift.people += 1;
      meta.put(shift, "shift");
    };
    return kept;
  });
}

export const waiting = (limit) => inside("queue", "readonly", (queue) => queue.getAll(null, limit));
export const count = () => inside("queue", "readonly", (queue) => queue.count());

// Take out the scans that an answer has named, all at once.
export function settle(ids) {
  return inside("queue", "readwrite", (queue) => {
    for (const id of ids) queue.delete(id);
  });
}

// {count, oldest} of the queue; ids sort by time.
export async function queueHealth() {
  const [number, first] = await Promise.all([count(), waiting(1)]);
  return { count: number, oldest: first[0]?.at ?? null };
}

// What the device knows of people goes; its queue stays.
export function wipe() {
  return inside(["meta", "files"], "readwrite", (meta, files) => {
    meta.delete("bundle");
    meta.delete("group");
    files.clear();
  });
}

export function keepBundle(bundle, sha, octets) {
  return inside(["meta", "files"], "readwrite", (meta, files) => {
    meta.put(bundle, "bundle");
    files.clear();
    files.put(octets, sha);
  });
}
