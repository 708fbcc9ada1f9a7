// Checking in from a poster: small comforts, the form works without them. What it keeps stays on this phone.

const KEY = "khien-check-in"; // {me: {number, name}, places: {code: {day, time, direction}}}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function write(change) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...read(), ...change }));
  } catch {
    // A phone that keeps nothing types again.
  }
}

const form = document.getElementById("check-in");
const done = document.getElementById("done");

/** Buttons of the form send once, with the pass of this phone when there is one. */
async function withPass() {
  const held = document.getElementById("held");
  if (!held || !globalThis.indexedDB || !globalThis.crypto?.subtle) return;
  const names = (await indexedDB.databases?.())?.map((base) => base.name);
  if (names && !names.includes("khien-pass")) return; // nothing more is loaded on most phones
  const [{ kept }, { makeStep }] = await Promise.all([import("./pass-store.js"), import("./step.js")]);
  const pass = await kept();
  if (!pass) return;
  const typed = document.getElementById("typed");
  held.querySelector("span").textContent = [pass.name, pass.birthYear].filter(Boolean).join(" · ");
  held.hidden = false;
  typed.hidden = true;
  document.getElementById("other").addEventListener("click", () => {
    held.hidden = true;
    typed.hidden = false;
  });
  form.addEventListener("submit", async (event) => {
    if (held.hidden || form.elements.pass.value) return;
    event.preventDefault();
    const { submitter } = event;
    form.elements.pass.value = await makeStep(pass.text, pass.privateKey, Date.now());
    // In a task of its own: Chromium drops a second submission while the first one's press is still being handled.
    setTimeout(() => form.requestSubmit(submitter), 0);
  });
}

function remembered() {
  const { me, places } = read();
  const number = document.getElementById("number");
  const remember = document.getElementById("remember");
  if (number) {
    remember.hidden = false;
    const box = remember.querySelector("input");
    if (me && !number.value) {
      number.value = me.number;
      document.getElementById("name").value = me.name;
      box.checked = true;
    }
    form.addEventListener("submit", () => {
      const kept = box.checked && number.value ? { number: number.value, name: document.getElementById("name").value } : null;
      if (document.getElementById("held").hidden) write({ me: kept });
    });
  }
  const earlier = places?.[form.dataset.code];
  if (earlier && earlier.day === form.dataset.today && earlier.direction === "in") {
    const box = document.getElementById("earlier");
    box.textContent = `${box.dataset.text} ${earlier.time}. ${box.dataset.ask}`;
    box.hidden = false;
    const [enter, leave] = form.querySelectorAll("[name=direction]");
    enter.className = "second";
    leave.className = "";
  }
}

function alive() {
  const { code, direction, time, day, age } = done.dataset;
  const began = performance.now() - Number(age) * 1000;
  if (Number(age) < 600) write({ places: { ...read().places, [code]: { day, time, direction } } });
  const clock = document.getElementById("clock");
  const said = document.getElementById("age");
  const tick = () => {
    clock.textContent = new Date().toLocaleTimeString("vi-VN");
    const seconds = Math.round((performance.now() - began) / 1000);
    if (seconds < 600) {
      said.textContent = seconds < 120 ? `${seconds} ${said.dataset.seconds}` : `${Math.floor(seconds / 60)} ${said.dataset.minutes}`;
    } else done.classList.add("old");
  };
  tick();
  setInterval(tick, 1000);
}

if (done) alive();
if (form) {
  remembered();
  withPass();
}
