// The gate: a camera, a hand scanner or typing fill one queue; the queue goes to the server and comes back as a colour.
import { count, keep, settle, waiting } from "./outbox.js";
import { uuid7 } from "./uuid7.js";

const form = document.getElementById("gate");
const code = document.getElementById("code");
const place = document.getElementById("place");
const verdict = document.getElementById("verdict");
const queue = document.getElementById("queue");
const cameraBox = document.getElementById("camera");
const cameraState = document.getElementById("camera-state");
const cameraOn = document.getElementById("camera-on");
const video = document.getElementById("video");
const text = form.dataset;
const BATCH = 50;
const AGAIN_MS = 4000;

let lastCode = "";
let lastSeen = 0;
let lastKeys = [];
let shownId = "";
let failures = 0;
let timer = 0;

function show(colour, word, reason, who = "") {
  verdict.className = `verdict verdict--${colour}`;
  verdict.querySelector("strong").textContent = word;
  const [why, name] = verdict.querySelectorAll("p");
  why.textContent = reason;
  name.textContent = who;
  verdict.hidden = false;
  verdict.scrollIntoView({ block: "nearest" });
}

async function count_waiting() {
  const left = await count();
  queue.textContent = left ? `${left} ${text.textWaiting}` : "";
  queue.dataset.waiting = String(left);
  return left;
}

// A poster chooses the place; anything else is a scan.
function choosePlace(read) {
  const found = /\/checkpoints\/at\/([0-9A-Z]{8,12})\//.exec(read);
  if (!found) return false;
  const known = Array.from(place.options).some((option) => option.value === found[1]);
  if (known) {
    place.value = found[1];
    place.dispatchEvent(new Event("change"));
    show("grey", place.selectedOptions[0].textContent, text.textPlace);
  } else {
    show("grey", text.textNoPlaceWord, text.textUnknownPlace);
  }
  return true;
}

async function take(read, method) {
  if (!read || choosePlace(read)) return;
  if (!place.value) {
    show("grey", text.textNoPlaceWord, text.textNoPlace);
    return;
  }
  const event = {
    id: uuid7(),
    place: place.value,
    at: new Date().toISOString(),
    direction: new FormData(form).get("direction"),
    method,
    code: read,
  };
  await keep(event);
  shownId = event.id;
  await send();
}

function answered(answer) {
  if (answer.id !== shownId || !answer.verdict) return;
  const { colour, word, reason, name, birth_year: year } = answer.verdict;
  show(colour, word, reason, year ? `${name} · ${year}` : name);
  if (navigator.vibrate) navigator.vibrate(colour === "green" ? 60 : [120, 80, 120]);
}

async function post(events) {
  const reply = await fetch(text.send, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": text.csrf, "Accept-Language": document.documentElement.lang },
    body: JSON.stringify({ sent_at: new Date().toISOString(), events }),
    credentials: "same-origin",
  });
  if (reply.status === 401 || reply.status === 403) {
    show("grey", text.textOfflineWord, text.textSignedOut);
    throw new Error("signed out");
  }
  if (!reply.ok) throw new Error(`answer ${reply.status}`);
  return reply.json();
}

// One sender at a time, over all tabs: the same queue is never sent twice at once.
const send = () => navigator.locks.request("khien-gate", async () => {
  clearTimeout(timer);
  try {
    for (let events = await waiting(BATCH); events.length; events = await waiting(BATCH)) {
      const reply = await post(events);
      let settled = 0;
      for (const answer of reply.answers) {
        if (events.some((event) => event.id === answer.id)) {
          await settle(answer.id);
          settled += 1;
        }
        answered(answer);
      }
      if (!settled) throw new Error("no answer names an event");
    }
    failures = 0;
  } catch (fault) {
    failures += 1;
    if (fault.message !== "signed out") show("grey", text.textOfflineWord, text.textOffline);
    const wait = Math.min(300000, 2000 * 2 ** Math.min(failures, 8)) * (0.5 + Math.random() / 2);
    timer = setTimeout(send, wait);
  }
  await count_waiting();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  // The page's guard against double presses must not stop the next person.
  delete form.dataset.sent;
  const read = code.value;
  code.value = "";
  code.focus();
  // A hand scanner types a whole code within a blink and ends it with Enter.
  const quick = lastKeys.length > 8 && lastKeys.at(-1) - lastKeys[0] < lastKeys.length * 35;
  lastKeys = [];
  take(read, quick ? "hid" : "manual");
});
code.addEventListener("input", () => {
  if (!code.value) lastKeys = [];
  lastKeys.push(performance.now());
});

place.addEventListener("change", () => localStorage.setItem("khien-gate-place", place.value));
if (!place.value) {
  const before = localStorage.getItem("khien-gate-place");
  if (Array.from(place.options).some((option) => option.value === before)) place.value = before;
}

async function openCamera() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment", width: { ideal: 1280 } },
    });
  } catch {
    cameraState.textContent = text.textCameraOff;
    cameraState.hidden = false;
    cameraOn.hidden = false;
    return;
  }
  cameraState.hidden = true;
  cameraOn.hidden = true;
  cameraBox.hidden = false;
  video.srcObject = stream;
  await video.play();
  const worker = new Worker(text.worker, { type: "module" });
  const look = async () => {
    if (document.hidden || video.readyState < 2) {
      setTimeout(look, 250);
      return;
    }
    const frame = await createImageBitmap(video);
    worker.postMessage(frame, [frame]);
  };
  worker.addEventListener("message", ({ data: read }) => {
    const now = performance.now();
    if (read && (read !== lastCode || now - lastSeen > AGAIN_MS)) take(read, "camera");
    if (read) {
      lastCode = read;
      lastSeen = now;
    }
    setTimeout(look, 60);
  });
  worker.addEventListener("error", () => {
    cameraState.textContent = text.textCameraOff;
    cameraState.hidden = false;
  });
  look();
}

cameraOn.addEventListener("click", openCamera);
if (navigator.mediaDevices?.getUserMedia) openCamera();
addEventListener("online", send);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) send();
});
addEventListener("beforeunload", (event) => {
  if (Number(queue.dataset.waiting || 0) > 0) event.preventDefault();
});
send();
code.focus();
