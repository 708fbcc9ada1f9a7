// Asks for notifications on this browser, and takes it back. The page says everything without it.

const form = document.querySelector("form[data-push]");
const words = JSON.parse(form.dataset.words);
const [on, off] = [form.querySelector("[data-on]"), form.querySelector("[data-off]")];
const status = document.querySelector("[data-status]");
const able = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

function say(word) {
  status.textContent = words[word] ?? word;
  status.hidden = false;
}

function show(subscribed) {
  on.hidden = false;
  off.hidden = !subscribed;
}

async function send(address, body) {
  const token = form.elements.namedItem("csrfmiddlewaretoken").value;
  const headers = { "Content-Type": "application/json", "X-CSRFToken": token };
  const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.ok) return;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.message ?? words.failed);
}

function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

async function begin() {
  const worker = await navigator.serviceWorker.register("/push/sw.js");
  show(await worker.pushManager.getSubscription());

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      if ((await Notification.requestPermission()) !== "granted") return say("denied");
      const key = bytes(form.dataset.key);
      let held = await worker.pushManager.getSubscription();
      const old = held?.options?.applicationServerKey;
      // A subscription to a key that we have given up takes nothing any more.
      if (held && old && String(new Uint8Array(old)) !== String(key)) {
        await held.unsubscribe();
        held = null;
      }
      held ??= await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
      const unit = Number(form.elements.namedItem("unit").value) || null;
      await send("/push/subscribe/", { subscription: held, unit, language: document.documentElement.lang });
      show(true);
      say("on");
    } catch (fault) {
      say(fault.name === "Error" ? fault.message : "failed");
    }
  });

  off.addEventListener("click", async () => {
    try {
      const held = await worker.pushManager.getSubscription();
      if (held) {
        await send("/push/unsubscribe/", { endpoint: held.endpoint });
        await held.unsubscribe();
      }
      show(false);
      say("off");
    } catch {
      say("failed");
    }
  });
}

if (able) begin().catch(() => say("unable"));
else say(/iPhone|iPad/.test(navigator.userAgent) ? "ios" : "unable");
