// The page of the pass on a phone: a code with a fresh step every 15 seconds, also without network.

import { forget, keep, kept } from "./pass-store.js";
import { STEP_S, makeKey, makeStep } from "./step.js";
import { correction, generate } from "../vendor/lean-qr/index.mjs";

const root = document.getElementById("phone-pass");
const find = (name) => root.querySelector(`[data-${name}]`);
const csrf = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
const online = root.dataset.key !== undefined; // the page that the server made for a signed-in resident
let pass;

/** The code as SVG, 4 modules of quiet around it. */
function draw(text) {
  const code = generate(text, { minCorrectionLevel: correction.M, maxCorrectionLevel: correction.M });
  let path = "";
  for (let y = 0; y < code.size; y += 1) {
    for (let x = 0; x < code.size; x += 1) if (code.get(x, y)) path += `M${x + 4} ${y + 4}h1v1h-1z`;
  }
  const picture = find("code");
  const side = code.size + 8;
  picture.setAttribute("viewBox", `0 0 ${side} ${side}`);
  picture.querySelector("path").setAttribute("d", path);
}

async function step() {
  const now = Date.now();
  const text = await makeStep(pass.text, pass.privateKey, now);
  draw(text);
  root.dataset.made = String(now);
  const next = STEP_S * 1000 - (now % (STEP_S * 1000));
  setTimeout(step, next + 50);
}

function tick() {
  const now = new Date();
  find("clock").textContent = now.toLocaleTimeString("vi-VN", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  find("left").value = STEP_S - ((now.getTime() / 1000) % STEP_S);
}

function showColour() {
  const box = find("verdict");
  box.className = `verdict verdict--${pass.colour}`;
  box.querySelector("strong").textContent = pass.word;
  box.querySelector("[data-reason]").textContent = pass.reason;
  box.querySelector("[data-at]").textContent = pass.at;
}

function show() {
  find("name").textContent = [pass.name, pass.birthYear].filter(Boolean).join(" · ");
  find("expires").textContent = new Date(pass.expires).toLocaleDateString("vi-VN");
  showColour();
  find("make").hidden = true;
  find("live").hidden = false;
  find("offline").hidden = online;
  tick();
  setInterval(tick, 250);
  step();
}

async function make() {
  find("fault").textContent = "";
  try {
    const { privateKey, point } = await makeKey();
    const body = new URLSearchParams({ csrfmiddlewaretoken: csrf, point: btoa(String.fromCharCode(...point)) });
    const answer = await fetch(root.dataset.key, { method: "POST", body });
    const given = await answer.json();
    if (!answer.ok) throw new Error(given.message);
    const { sub, text, expires, name, birth_year: birthYear, colour, word, reason, at } = given;
    pass = { sub, text, privateKey, expires, name, birthYear, colour, word, reason, at };
    await keep(pass);
    location.reload();
  } catch (fault) {
    find("fault").textContent = fault instanceof TypeError ? root.dataset.lost : fault.message;
  }
}

async function renew() {
  try {
    const answer = await fetch(root.dataset.state, { headers: { Accept: "application/json" }, redirect: "error" });
    const { sub, colour, word, reason, at } = await answer.json();
    if (sub !== pass.sub) return location.reload();
    Object.assign(pass, { colour, word, reason, at });
    await keep(pass);
    showColour();
  } catch {
    // Without network the colour stays with its time.
  }
}

async function start() {
  find("make").querySelector("button").addEventListener("click", make);
  find("forget")?.addEventListener("click", async () => {
    await forget();
    location.reload();
  });
  pass = await kept();
  if (online && pass && pass.sub !== root.dataset.sub) {
    await forget(); // revoked, made anew on another phone, or another person signed in here
    pass = undefined;
    find("ended").hidden = false;
  }
  for (const still of document.querySelectorAll("[data-still]")) still.hidden = Boolean(pass) || !still.querySelector("svg");
  if (pass) {
    if (online) {
      Object.assign(pass, { colour: root.dataset.colour, word: root.dataset.word, reason: root.dataset.reason, at: root.dataset.at });
      await keep(pass);
      setInterval(renew, 60_000);
    }
    show();
  } else {
    find("make").hidden = !online;
    find("none").hidden = online;
  }
  root.hidden = false;
}

if (globalThis.crypto?.subtle && globalThis.indexedDB) {
  if ("serviceWorker" in navigator) navigator.serviceWorker.register(root.dataset.worker, { scope: root.dataset.scope });
  start();
}
