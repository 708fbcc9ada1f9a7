// Keeps the empty forms and what they need for the time without network; what the server can answer it answers.

const SHELF = "khien-declarations-1";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  const wanted = address.origin === location.origin && request.method === "GET";
  const page = address.pathname.startsWith("/declarations/new/");
  if (wanted && (page || address.pathname.startsWith("/static/"))) event.respondWith(answer(request, page));
});

async function answer(request, page) {
  const shelf = await caches.open(SHELF);
  try {
    const fresh = await fetch(request);
    // Only pages that the server marks as nobody's: a filled one never stays on the phone.
    if (fresh.ok && (!page || fresh.headers.get("X-Khien-Keep") === "1")) await shelf.put(request, fresh.clone());
    return fresh;
  } catch (fault) {
    const kept = await shelf.match(request, { ignoreSearch: page, ignoreVary: true });
    if (kept) return kept;
    throw fault;
  }
}
