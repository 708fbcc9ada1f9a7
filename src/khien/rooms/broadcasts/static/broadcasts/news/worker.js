// Shows what was pushed, and opens its page. It keeps nothing and answers no request.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  let told = {};
  try {
    told = event.data.json();
  } catch {
    told = {};
  }
  // A browser that gets a message must show something.
  const title = told.title || "Bản tin mới";
  event.waitUntil(
    self.registration.showNotification(title, {
      body: told.body || "",
      lang: told.lang || "vi",
      tag: told.tag || "bulletin",
      renotify: true,
      icon: "/static/khien/mark.svg",
      data: { url: told.url || "/news/" },
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const address = new URL(event.notification.data.url, self.location.origin);
  if (address.origin === self.location.origin) event.waitUntil(self.clients.openWindow(address.href));
});
