// The gate: camera, hand scanner and typing are judged from what the device knows, kept, shown, and sent when there is a
// network. The order matters: kept first, shown then, sent last.
import { Bundle, STALE_MS, fetchNew, kept } from "./bundle.js";
import { Camera } from "./camera.js";
import { mask, read, typedCode } from "./codes.js";
import { Refused, Sealer, enrol, known, post } from "./device.js";
import { HandScanner } from "./hand.js";
import { judge } from "./judge.js";
import { banner, by, clockTime, fill, showData, showFacts, showNetwork, showPlaces, showQueue, showVerdict, span, text } from "./panels.js";
import { Sender } from "./sender.js";
import { signal, wake } from "./signals.js";
import * as store from "./store.js";
import { uuid7 } from "../uuid7.js";

const at = document.body.dataset;
const boot = crypto.randomUUID();
const SAME_MS = 4_000;
const SAME_KIOSK_MS = 8_000;
const TICK_MS = 15_000;
const REPORT_MS = 60_000;
const CLOCK_MS = 120_000;
const KIOSK_CLEAR_MS = 6_000;
const UPDATE_MS = 3_600_000;
const READER = `${at.base}checkpoints/reader.js`;

let device = null;
let bundle = null;
let sealer = null;
let sender = null;
let settings = { place: "", direction: "in", mute: false };
let group = null;
let shown = { id: "", asked: 0 };
const sights = new Map(); // {at} of what the camera saw lately: codes, and passes
let clockOffset = 0;
let camera = null;
let busy = Promise.resolve();
let clearing = 0;

// Verdicts

async function taken(said, method, since) {
  if (method === "camera" && isAgain(said)) return;
  // One at a time: a second code waits until the first one is kept.
  busy = busy.then(() => take(said, method, since)).catch(broken);
  await busy;
}

// A code stays before the camera for as long as its bearer likes: it counts once until it has been away for a while.
function isAgain(what) {
  const now = performance.now();
  const same = document.body.classList.contains("kiosk") ? SAME_KIOSK_MS : SAME_MS;
  for (const [other, { at }] of sights) if (now - at >= SAME_KIOSK_MS) sights.delete(other);
  const sight = sights.get(what) ?? { at: Number.NEGATIVE_INFINITY };
  const again = now - sight.at < same;
  sight.at = now;
  sights.set(what, sight);
  return again;
}

// A phone's pass changes its text every few seconds and is the same pass: seen as either, it is seen as both.
function isSamePass(said, { kind, numbers }) {
  if (kind !== "pass" || !numbers.length) return false;
  const pass = numbers[0].join(" ");
  const again = isAgain(pass);
  sights.set(said, sights.get(pass));
  return again;
}

async function take(said, method, since) {
  performance.mark("khien-readable", { startTime: since });
  const seen = await read(said, bundle?.payload ?? { pass_keys: [], signers: [] }, Date.now() + clockOffset);
  if (seen.kind === "place") return choosePlace(seen.place);
  if (seen.kind === "enrolment") return undefined;
  if (method === "camera" && isSamePass(said, seen)) return undefined;
  if (!settings.place && (seen.send ?? "") !== "") return tell({ colour: "grey", word: text.choosePlace, reason: text.placeFirst });
  const verdict = await judge(seen, bundle, text);
  if (!seen.masked && verdict.name) verdict.name = mask(verdict.name);
  if (!verdict.scan || !seen.send) return tell(verdict, "", since);
  const direction = settings.direction === "ask" ? await askDirection() : settings.direction;
  const id = await keep(seen.send, { method, direction, verdict });
  await tell(verdict, id, since);
  sender?.now();
  if (verdict.ask) check(seen.send, id, verdict);
  return undefined;
}

async function keep(code, { method, direction, verdict }) {
  const id = uuid7();
  const event = {
    id,
    place: settings.place,
    at: new Date().toISOString(),
    direction,
    method,
    sealed: await sealer.seal(code, id),
    boot,
    mono: Math.round(performance.now()),
    verdict: { colour: verdict.colour, reason: verdict.reason, bundle: bundle?.payload.version ?? "" },
    offline: sender?.offline ?? !navigator.onLine,
  };
  if (group) event.group = group.id;
  await store.keep(event, verdict.colour);
  if (group) {
    group.count += 1;
    await store.set("group", group);
    showGroup();
  }
  return id;
}

// Paints a verdict; resolves when the browser has.
async function tell(verdict, id = "", since = 0) {
  shown = { id, asked: 0, colour: verdict.colour };
  showVerdict({ word: text.words[verdict.colour], ...verdict });
  by("verdict").dataset.event = id;
  signal(verdict.colour, settings.mute);
  clearTimeout(clearing);
  if (document.body.classList.contains("kiosk")) clearing = setTimeout(clear, KIOSK_CLEAR_MS);
  if (since) {
    requestAnimationFrame(() => {
      const painted = new MessageChannel();
      painted.port1.onmessage = () => performance.measure("khien-verdict", { start: since, end: performance.now() });
      painted.port2.postMessage(null);
    });
  }
  await refreshQueue();
}

function clear() {
  shown = { id: "", asked: 0 };
  showVerdict({ colour: "none", word: text.ready, reason: text.readyHow, name: "", note: "" });
}

// A filter stops one in four thousand by chance, and is an hour old at most: the server clears it when it can be asked.
async function check(code, id, verdict) {
  const note = (words) => {
    if (shown.id === id) by("verdict-note").textContent = words;
  };
  note(text.checking);
  try {
    const seal = await sealer.seal(code, id);
    const now = await post(device, at.check, { id, sealed: seal });
    if (shown.id !== id) return;
    if (now.known && now.colour !== verdict.colour) {
      const better = { ...verdict, ...now, name: now.name || verdict.name, year: now.birth_year ?? verdict.year };
      showVerdict({ ...better, note: text.checked });
      shown.colour = now.colour;
      signal(now.colour, settings.mute);
    } else {
      if (now.known) by("verdict-reason").textContent = now.reason;
      note(text.checked);
    }
  } catch {
    note(text.notChecked);
  }
}

// The server's word on the scan that is on the screen: it knows the ledger, which no filter holds.
function answered(answer) {
  const said = answer.verdict;
  if (answer.id !== shown.id || !said || said.colour === shown.colour) return;
  if (answer.outcome === "duplicate") return;
  showVerdict({ ...said, year: said.birth_year, note: text.checked });
  shown.colour = said.colour;
  signal(said.colour, settings.mute);
}

function broken(fault) {
  const full = fault?.name === "QuotaExceededError";
  tell({ colour: "grey", word: text.words.grey, reason: full ? text.noSpace : String(fault?.message ?? fault) });
}

function askDirection() {
  const dialog = by("ask");
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue || "unknown"), { once: true });
    dialog.returnValue = "";
  });
}

// Places and groups

function placeOf(code) {
  return bundle?.payload.places.find((place) => place.code === code) ?? null;
}

async function choosePlace(code) {
  const place = placeOf(code);
  if (!place) return tell({ colour: "grey", word: text.choosePlace, reason: text.placeUnknown });
  settings.place = code;
  await store.set("settings", settings);
  showPlace();
  by("place").close();
  return tell({ colour: "grey", word: place.name, reason: text.placeChosen });
}

function showPlace() {
  const place = placeOf(settings.place);
  // A place that is no longer ours is not scanned at any more.
  if (bundle && settings.place && !place) settings.place = "";
  if (bundle && !settings.place && bundle.payload.places.length === 1) settings.place = bundle.payload.places[0].code;
  by("place-name").textContent = placeOf(settings.place)?.name ?? text.choosePlace;
}

function showGroup() {
  by("group-state").hidden = !group;
  if (group) by("group-state").querySelector("span").textContent = fill(text.groupState, group);
}

// "name, year, phone, where from" or a number, a line each; the numbers of the lines that say too little.
function peopleOf(list) {
  const made = [];
  const unread = [];
  list.split("\n").forEach((line, place) => {
    const said = line.trim();
    if (!said) return;
    if (/^[A-Z]{0,2}[\d .-]{9,}$/i.test(said)) {
      made.push(said);
      return;
    }
    const [name, ...rest] = said.split(/[,;\t]/).map((part) => part.trim());
    const year = rest.find((part) => /^(?:18|19|20)\d\d$/.test(part));
    const phone = rest.find((part) => /^\+?\d[\d .]{8,}$/.test(part));
    const from = rest.filter((part) => part && part !== year && part !== phone).join(", ");
    if (!/\p{L}{2}/u.test(name) || !(year || phone || from)) unread.push(place + 1);
    else made.push(typedCode({ name, year, phone, from: from || group?.name }));
  });
  return { made, unread };
}

// The device's state

async function refreshQueue() {
  const health = await store.queueHealth();
  showQueue(health);
  return health;
}

function refreshData() {
  const now = Date.now() + clockOffset;
  const stale = Boolean(bundle) && now - bundle.madeAt > STALE_MS;
  showData(bundle, now, stale);
  banner("stale", stale ? text.stale : "");
  const wrong = Math.abs(clockOffset) > CLOCK_MS;
  banner("clock", wrong ? fill(text.clockWrong, { age: span(Math.abs(clockOffset)) }) : "", "orange");
}

async function refreshBundle() {
  if (device.state !== "active") return;
  try {
    const found = await fetchNew(device, at.bundle, bundle);
    banner("bundle", "");
    if (found) await use(found);
    online(true);
  } catch (fault) {
    if (fault instanceof Refused) await refused(fault);
    else if (/^(?:bundle|filter):/.test(fault.message)) banner("bundle", text.badBundle);
    else online(false);
  }
  refreshData();
}

async function use(found) {
  bundle = found;
  if (sealer?.point !== found.payload.seal_key) sealer = new Sealer(found.payload.seal_key);
  if (device.sealKey !== found.payload.seal_key) {
    device.sealKey = found.payload.seal_key;
    await store.set("device", device);
  }
  showPlace();
  refreshData();
}

async function refused(fault) {
  if (fault.code === "device_revoked") {
    if (device.state === "revoked") return;
    device.state = "revoked";
    bundle = null;
    await store.set("device", device);
    await store.wipe();
    banner("refused", text.revoked);
    showPlace();
    refreshData();
    askForCode(text.revoked);
    setInterval(resumed, TICK_MS);
    return;
  }
  banner("refused", fault.code === "bad_signature" ? text.badSignature : fill(text.refused, { why: fault.message }));
}

// What waits goes out; a device that was only suspended begins again when it is let in.
async function resumed() {
  await sender.now();
  try {
    if (!(await fetchNew(device, at.bundle, null))) return;
  } catch {
    return;
  }
  device.state = "active";
  await store.set("device", device);
  location.reload();
}

function online(on) {
  showNetwork(on);
  if (on) banner("refused", "");
}

async function report() {
  if (device.state !== "active") return;
  const health = await refreshQueue();
  const sent = Date.now();
  try {
    const reply = await post(device, at.heartbeat, {
      sent_at: new Date(sent).toISOString(),
      unsent: health.count,
      oldest: health.oldest,
      bundle: bundle?.payload.version ?? "",
      app: at.version,
    });
    setClock(Date.parse(reply.server_time) - (sent + Date.now()) / 2);
    online(true);
  } catch (fault) {
    if (fault instanceof Refused) await refused(fault);
    else online(false);
  }
}

function setClock(offset) {
  clockOffset = offset;
  refreshData();
}

async function everyTick() {
  await refreshQueue();
  refreshData();
  await sender.now();
}

// Pages and panels

function openCamera() {
  camera = new Camera(by("video"), READER, (said, since) => taken(said, "camera", since));
  const problem = by("camera-state");
  if (!navigator.mediaDevices?.getUserMedia) {
    problem.textContent = text.cameraNone;
    return;
  }
  camera.start().then(
    () => {
      problem.textContent = "";
      by("torch").hidden = !camera.hasTorch;
    },
    (fault) => {
      problem.textContent = fault.name === "NotFoundError" ? text.cameraNone : text.cameraOff;
    },
  );
}

function listen() {
  new HandScanner((said) => taken(said, "hid", performance.now())).listen(document);
  document.addEventListener("pointerdown", wake, { once: true });
  document.addEventListener("keydown", wake, { once: true });
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  for (const name of ["number", "typed", "group"]) {
    by(`${name}-open`).addEventListener("click", () => by(name).showModal());
  }
  for (const button of by("ask").querySelectorAll("button")) {
    button.addEventListener("click", () => by("ask").close(button.value));
  }
  for (const choice of document.querySelectorAll("[name=direction]")) {
    choice.addEventListener("change", () => {
      settings.direction = choice.value;
      store.set("settings", settings);
    });
  }
  by("place-open").addEventListener("click", () => {
    by("place-find").value = "";
    showPlaces(bundle?.payload.places ?? [], "", settings.place);
    by("place").showModal();
  });
  by("place-find").addEventListener("input", () => showPlaces(bundle?.payload.places ?? [], by("place-find").value, settings.place));
  by("place-list").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) choosePlace(button.dataset.code);
  });
  by("number-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const said = by("number-field").value;
    by("number-form").reset();
    by("number").close();
    taken(said, "manual", performance.now());
  });
  by("typed-form").addEventListener("submit", typedIn);
  by("group-form").addEventListener("submit", groupBegins);
  by("group-end").addEventListener("click", async () => {
    group = null;
    await store.forget("group");
    showGroup();
  });
  by("kiosk-open").addEventListener("click", () => kiosk(!document.body.classList.contains("kiosk")));
  by("torch").addEventListener("click", ({ target }) => press(target, lamp));
  by("mute").addEventListener("click", ({ target }) =>
    press(target, (on) => {
      settings.mute = on;
      return store.set("settings", settings);
    }),
  );
  by("menu-open").addEventListener("click", openMenu);
  by("send-now").addEventListener("click", async () => {
    await sender.now();
    await openMenu();
  });
  by("shift-end").addEventListener("click", endShift);
  by("shift-new").addEventListener("click", async () => {
    await store.forget("shift");
    by("summary").close();
    by("menu").close();
  });
  addEventListener("online", wakeUp);
  addEventListener("offline", () => online(false));
  document.addEventListener("visibilitychange", () => document.hidden || wakeUp());
}

async function wakeUp() {
  await refreshBundle();
  await sender.now();
  await report();
}

// What cannot be done leaves the button as it was.
async function press(button, act) {
  const on = button.getAttribute("aria-pressed") !== "true";
  if ((await act(on)) !== false) button.setAttribute("aria-pressed", String(on));
}

async function lamp(on) {
  const done = await camera.torch(on).then(() => true, () => false);
  banner("torch", done ? "" : text.torchFailed, "orange");
  return done;
}

async function typedIn(event) {
  event.preventDefault();
  const said = { name: by("typed-name").value, year: by("typed-year").value, phone: by("typed-phone").value, from: by("typed-from").value };
  if (!/\p{L}{2}/u.test(said.name) || !/^(?:18|19|20)\d\d$/.test(said.year)) {
    by("typed-problem").textContent = text.typedMore;
    return;
  }
  by("typed-problem").textContent = "";
  by("typed-form").reset();
  by("typed").close();
  await taken(typedCode(said), "manual", performance.now());
}

async function groupBegins(event) {
  event.preventDefault();
  const name = by("group-name").value.trim();
  group = { id: crypto.randomUUID(), name, count: 0 };
  const { made, unread } = peopleOf(by("group-list").value);
  if (unread.length) {
    group = null;
    by("group-problem").textContent = fill(text.groupLine, { line: unread.join(", ") });
    return;
  }
  by("group-problem").textContent = "";
  by("group-form").reset();
  by("group").close();
  await store.set("group", group);
  showGroup();
  for (const said of made) await taken(said, "manual", performance.now());
}

function kiosk(on) {
  document.body.classList.toggle("kiosk", on);
  by("kiosk-open").textContent = on ? text.kioskEnd : text.kioskBegin;
  settings.kiosk = on;
  store.set("settings", settings);
  clear();
  if (on) document.documentElement.requestFullscreen?.().catch(() => {});
  else if (document.fullscreenElement) document.exitFullscreen();
}

async function openMenu() {
  by("menu-problem").textContent = "";
  const health = await refreshQueue();
  const durable = await navigator.storage.persisted();
  showFacts(by("menu-facts"), [
    [text.factDevice, device.name],
    [text.factUnit, device.unit],
    [text.factQueue, String(health.count)],
    [text.factOldest, health.oldest ? clockTime(health.oldest) : "–"],
    [text.factData, bundle ? clockTime(bundle.madeAt) : "–"],
    [text.factListed, bundle ? String(bundle.payload.filter.keys) : "–"],
    [text.factClock, fill(text.seconds, { n: Math.round(clockOffset / 1000) })],
    [text.factStored, durable ? text.yes : text.no],
    [text.factVersion, at.version],
  ]);
  if (!by("menu").open) by("menu").showModal();
}

async function endShift() {
  const shift = (await store.get("shift")) ?? { since: new Date().toISOString(), counts: {}, people: 0 };
  await sender.now();
  const health = await refreshQueue();
  by("summary-time").textContent = fill(text.shiftTime, { from: clockTime(shift.since), to: clockTime(Date.now()) });
  showFacts(by("summary-facts"), [
    [text.people, String(shift.people)],
    ...["green", "yellow", "orange", "red", "grey"]
      .filter((colour) => shift.counts[colour])
      .map((colour) => [text.words[colour], String(shift.counts[colour])]),
  ]);
  by("summary-queue").textContent = health.count ? fill(text.shiftUnsent, { count: health.count }) : text.shiftSent;
  by("summary-queue").classList.toggle("notice--orange", health.count > 0);
  by("menu").close();
  by("summary").showModal();
}

// Start

async function installed() {
  if (!navigator.serviceWorker) return;
  const registration = await navigator.serviceWorker.register(at.worker, { scope: new URL(at.worker, location.href).pathname.replace(/[^/]*$/, "") });
  const offer = () => {
    const ready = Boolean(registration.waiting && navigator.serviceWorker.controller);
    by("update").hidden = !ready;
    banner("update", ready ? text.updateReady : "", "plain");
  };
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", offer));
  offer();
  // A gate stays open for days, and browsers look for a new version only when a page is opened.
  setInterval(() => registration.update().catch(() => {}), UPDATE_MS);
  by("update").addEventListener("click", async () => {
    const health = await refreshQueue();
    if (health.count) {
      by("menu-problem").textContent = fill(text.updateBlocked, { count: health.count });
      return;
    }
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    registration.waiting?.postMessage("activate");
  });
  await navigator.serviceWorker.ready;
  document.body.dataset.offline = "ready";
}

function askForCode(why) {
  by("gate").hidden = true;
  camera?.stop();
  by("enrol").hidden = false;
  by("enrol-lost").textContent = why ?? "";
  by("enrol-lost").hidden = !why;
  const code = /^#([0-9A-Z]{10})$/i.exec(location.hash);
  if (code) by("enrol-code").value = code[1].toUpperCase();
}

function listenForCode() {
  by("enrol-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    by("enrol-problem").textContent = "";
    try {
      // What the device of before still holds goes out in its own name.
      if (sender && (await store.count())) await sender.now();
      await enrol(by("enrol-code").value, at.enrol);
      if (!(await store.count())) await store.set("seq", 0);
    } catch (fault) {
      const words = fault instanceof Refused ? fill(text.enrolFailed, { why: `${fault.message} ${fault.wayOut}` }) : text.enrolOffline;
      by("enrol-problem").textContent = words;
      return;
    }
    // The code is used up; it must not stay in the address. A new device starts from the beginning.
    history.replaceState(null, "", location.pathname);
    await navigator.storage.persist();
    location.reload();
  });
  let looking = null;
  by("enrol-camera").addEventListener("click", () => {
    const video = by("enrol-video");
    video.hidden = false;
    by("enrol-problem").textContent = "";
    looking?.stop();
    looking = new Camera(video, READER, (said) => {
      const found = /#([0-9A-Z]{10})$/i.exec(said) ?? /^([0-9A-Z]{10})$/i.exec(said);
      if (!found) return;
      looking.stop();
      video.hidden = true;
      by("enrol-code").value = found[1].toUpperCase();
      by("enrol-form").requestSubmit();
    });
    looking.start().catch(() => {
      video.hidden = true;
      by("enrol-problem").textContent = text.cameraOff;
    });
  });
}

async function start() {
  device = await known();
  installed();
  listenForCode();
  if (!device) {
    askForCode();
    return;
  }
  settings = { ...settings, ...(await store.get("settings")) };
  group = (await store.get("group")) ?? null;
  sender = new Sender(device, at.scans, boot, {
    answer: answered,
    live: () => shown.id,
    clock: setClock,
    refused,
    changed: () => {
      refreshQueue();
      if (sender.failures === 0) online(true);
      else if (sender.offline) online(false);
    },
  });
  if (device.state !== "active") {
    // Nothing is scanned any more; what waits still goes out.
    askForCode(text.revoked);
    setInterval(resumed, TICK_MS);
    await resumed();
    return;
  }
  by("gate").hidden = false;
  for (const choice of document.querySelectorAll("[name=direction]")) choice.checked = choice.value === settings.direction;
  by("mute").setAttribute("aria-pressed", String(settings.mute));
  if (device.sealKey) sealer = new Sealer(device.sealKey);
  try {
    const found = await kept(device);
    if (found) await use(found);
  } catch {
    banner("bundle", text.badBundle);
  }
  showPlace();
  showGroup();
  listen();
  if (settings.kiosk) kiosk(true);
  await refreshQueue();
  refreshData();
  await refreshBundle();
  document.body.dataset.started = bundle instanceof Bundle ? "ready" : "waiting";
  openCamera();
  await sender.now();
  await report();
  setInterval(everyTick, TICK_MS);
  setInterval(refreshBundle, REPORT_MS);
  setInterval(report, REPORT_MS);
}

start();
