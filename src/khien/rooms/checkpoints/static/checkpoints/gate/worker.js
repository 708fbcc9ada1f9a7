// The service worker of the gate: NAME and PARTS ([address, SHA-256]) stand above, put there by the server.
// It takes in the whole app by its hashes, or nothing; then the app starts and runs with the server down.

const CACHE = `khien-gate-${NAME}`;
const SHELL = PARTS[0][0];
const START = new URL(SHELL, location.href).pathname;
const KNOWN = new Set(PARTS.map(([address]) => address));

async function take([address, sha]) {
  const reply = await fetch(address, { cache: "no-store", credentials: "same-origin" });
  if (!reply.ok) throw new Error(`${address}: ${reply.status}`);
  const octets = await reply.clone().arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", octets));
  const hex = Array.from(digest, (octet) => octet.toString(16).padStart(2, "0")).join("");
  if (hex !== sha) throw new Error(`${address}: other bytes than expected`);
  const cache = await caches.open(CACHE);
  await cache.put(address, reply);
}

addEventListener("install", (event) => {
  event.waitUntil(Promise.all(PARTS.map(take)));
});

addEventListener("activate", (event) => {
  const old = async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("khien-gate-") && name !== CACHE) await caches.delete(name);
    }
    await clients.claim();
  };
  event.waitUntil(old());
});

// The page asks for the change, and only when its queue is empty.
addEventListener("message", ({ data }) => {
  if (data === "activate") skipWaiting();
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const { origin, pathname } = new URL(request.url);
  if (origin !== location.origin) return;
  const address = request.mode === "navigate" && pathname === START ? SHELL : pathname;
  if (!KNOWN.has(address)) return;
  const answer = async () => {
    const cache = await caches.open(CACHE);
    return (await cache.match(address)) ?? fetch(request);
  };
  event.respondWith(answer());
});
