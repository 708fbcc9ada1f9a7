// Drafts of declarations on this phone: kept while they are filled in, sent when there is network, once by the id that
// the page made, gone after seven days. Identity numbers are not kept.

import { add, fill, ready, renumber, show } from "../forms/sheet.js";

const STORE = "khien.declarations.drafts";
const WEEK_MS = 7 * 24 * 3600 * 1000;
const TRY_AGAIN_MS = 15000;
const LAST = "khien.declarations.last"; // {form: {saved, fields}}: only when the holder of the phone asked for it
const JUST = "khien.declarations.just"; // of this tab: what was just sent, until it is kept or the tab is closed
const MONTH_MS = 30 * 24 * 3600 * 1000;

function all() {
  try {
    const drafts = JSON.parse(localStorage.getItem(STORE)) ?? {};
    const young = Object.entries(drafts).filter(([, one]) => Date.now() - one.saved < WEEK_MS);
    if (young.length !== Object.keys(drafts).length) keep(Object.fromEntries(young));
    return Object.fromEntries(young);
  } catch {
    return {};
  }
}

function keep(drafts) {
  try {
    if (Object.keys(drafts).length) localStorage.setItem(STORE, JSON.stringify(drafts));
    else localStorage.removeItem(STORE);
    return true;
  } catch {
    return false;
  }
}

function put(id, draft) {
  return keep({ ...all(), [id]: draft });
}

function drop(id) {
  const drafts = all();
  delete drafts[id];
  keep(drafts);
}

function lasts() {
  try {
    const found = Object.entries(JSON.parse(localStorage.getItem(LAST)) ?? {});
    const young = found.filter(([, one]) => Date.now() - one.saved < MONTH_MS);
    if (young.length !== found.length) keepLasts(Object.fromEntries(young));
    return Object.fromEntries(young);
  } catch {
    return {};
  }
}

function keepLasts(them) {
  try {
    if (Object.keys(them).length) localStorage.setItem(LAST, JSON.stringify(them));
    else localStorage.removeItem(LAST);
  } catch {
    // A phone that keeps nothing asks again.
  }
}

function forgetLast(key) {
  const them = lasts();
  delete them[key];
  keepLasts(them);
}

/** Remember in this tab what was sent, so that the next page can offer to keep it. */
function stash(draft) {
  if (!draft) return;
  const left = draft.leave ?? [];
  const gone = (name) =>
    left.some((one) => {
      const [whole, part] = one.split(".");
      if (!part) return name === whole || name.startsWith(`${whole}-`);
      return name.startsWith(`${whole}-`) && new RegExp(`^\\d+-${part}(-|$)`).test(name.slice(whole.length + 1));
    });
  const fields = draft.fields.filter(([name]) => !gone(name));
  try {
    sessionStorage.setItem(JUST, JSON.stringify({ key: draft.key, saved: Date.now(), fields }));
  } catch {
    // Nothing is offered then.
  }
}

// What was just received is no draft any more.
for (const sent of document.querySelectorAll("[data-draft-sent]")) {
  if (all()[sent.dataset.draftSent]) stash(all()[sent.dataset.draftSent]);
  drop(sent.dataset.draftSent);
}

const offer = document.querySelector("[data-keep-last]");
if (offer) offerToKeep();

function offerToKeep() {
  let just = null;
  try {
    just = JSON.parse(sessionStorage.getItem(JUST));
    sessionStorage.removeItem(JUST);
  } catch {
    return;
  }
  if (!just) return;
  const said = offer.querySelector("[role=status]");
  const [keeping, forgetting] = [offer.querySelector("[data-keep]"), offer.querySelector("[data-forget]")];
  const turn = () => {
    const kept = just.key in lasts();
    keeping.hidden = kept;
    forgetting.hidden = !kept;
    said.textContent = kept ? offer.dataset.kept : "";
  };
  const { key, ...last } = just;
  keeping.addEventListener("click", () => {
    keepLasts({ ...lasts(), [key]: last });
    turn();
    forgetting.focus();
  });
  forgetting.addEventListener("click", () => {
    forgetLast(key);
    turn();
    said.textContent = offer.dataset.gone;
    keeping.focus();
  });
  // Who keeps already keeps the newest.
  if (key in lasts()) keepLasts({ ...lasts(), [key]: last });
  turn();
  offer.hidden = false;
}

const form = document.querySelector("form[data-draft]");
const place = document.querySelector("[data-drafts]");
if (form && place) begin();

function begin() {
  const words = JSON.parse(place.dataset.draftWords);
  const key = form.dataset.draft;
  const field = (name) => form.elements.namedItem(name);
  const leave = JSON.parse(document.getElementById("draft-leave")?.textContent ?? "[]");
  let timer = 0;
  let sending = false;

  if (!form.hasAttribute("data-filled")) {
    const last = Object.entries(all())
      .filter(([, one]) => one.key === key && !one.ready)
      .sort(([, a], [, b]) => b.saved - a.saved)[0];
    if (last) restore(...last);
    else if (lasts()[key]) offerLast(lasts()[key]);
  }
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => save(), 300);
  });
  form.addEventListener("change", () => save());
  // Only what was typed a moment ago: a draft that waits to be sent goes on waiting.
  addEventListener("pagehide", () => timer && save());
  form.addEventListener("submit", (event) => {
    if (event.submitter?.name === "action") return;
    event.preventDefault();
    send();
  });
  addEventListener("online", flush);
  setInterval(flush, TRY_AGAIN_MS);
  flush();
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/declarations/sw.js").then(shelve).catch(() => {});

  // The empty form and what it is made of, from the first visit on (worker.js answers with them without network).
  async function shelve() {
    const page = await fetch(location.pathname);
    if (!page.ok || page.headers.get("X-Khien-Keep") !== "1") return;
    const shelf = await caches.open("khien-declarations-1");
    await shelf.put(location.pathname, page);
    const parts = performance.getEntriesByType("resource").map((one) => new URL(one.name));
    const ours = parts.filter((one) => one.origin === location.origin && one.pathname.startsWith("/static/"));
    await Promise.all([...new Set(ours.map((one) => one.href))].map((one) => shelf.add(one).catch(() => {})));
  }

  function typed() {
    const left = new Set(["csrfmiddlewaretoken", "client_id", "version", "made_at", "action"]);
    return [...form.elements]
      .filter((one) => one.name && !left.has(one.name) && !one.matches("[data-private]") && !one.name.endsWith("-kept"))
      .filter((one) => !["radio", "checkbox"].includes(one.type) || one.checked)
      .filter((one) => one.tagName !== "BUTTON")
      .map((one) => [one.name, one.value, one.tagName === "SELECT" ? one.selectedOptions[0]?.text ?? "" : ""]);
  }

  function save(more = {}) {
    if (sending) return;
    clearTimeout(timer);
    timer = 0;
    const kept = put(field("client_id").value, {
      key,
      version: field("version").value,
      saved: Date.now(),
      ready: false,
      fields: typed(),
      leave,
      ...more,
    });
    if (kept) say(words.kept, field("client_id").value);
  }

  function restore(id, draft) {
    field("client_id").value = id;
    field("version").value = draft.version;
    fillIn(draft);
    say(words.shown, id);
  }

  function offerLast(last) {
    say(`${words.last} ${new Date(last.saved).toLocaleDateString(document.documentElement.lang === "en" ? "en-GB" : "vi-VN")}.`);
    const line = document.createElement("div");
    line.className = "cluster";
    const one = (text, act) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button button--secondary";
      button.textContent = text;
      button.addEventListener("click", act);
      line.append(button);
    };
    one(words.fill, () => {
      fillIn(last);
      save();
      say(words.filled, field("client_id").value);
    });
    one(words.forget, () => {
      forgetLast(key);
      place.replaceChildren();
    });
    place.firstElementChild.append(line);
  }

  function fillIn(draft) {
    for (const rows of form.querySelectorAll("[data-rows]")) {
      for (const row of rows.querySelectorAll(":scope > [data-row]")) row.remove();
      for (const [name, value] of draft.fields) if (name === `${rows.dataset.rows}-row`) add(rows, value);
      renumber(rows);
    }
    for (const box of form.querySelectorAll("input[type=checkbox], input[type=radio]")) box.checked = false;
    for (const [name, value, text] of draft.fields) {
      const found = [...form.elements].filter((one) => one.name === name);
      const choice = found.find((one) => ["radio", "checkbox"].includes(one.type) && one.value === value);
      if (choice) choice.checked = true;
      else if (found[0]?.tagName === "SELECT") choose(found[0], value, text, draft);
      else if (found[0] && found[0].type !== "hidden") found[0].value = value;
    }
    ready(form);
    show(form);
  }

  function choose(select, value, text, draft) {
    if (value && ![...select.options].some((one) => one.value === value)) select.add(new Option(text, value));
    select.value = value;
    if (select.name.endsWith("-province")) {
      const commune = draft.fields.find(([name]) => name === select.name.slice(0, -"-province".length))?.[1] ?? "";
      if (navigator.onLine) fill(select, commune);
    }
  }

  function body(draft, id) {
    const data = new FormData();
    for (const [name, value] of draft.fields) data.append(name, value);
    for (const one of form.querySelectorAll("[data-private]")) {
      if (id === field("client_id").value && one.value) data.append(one.name, one.value);
    }
    data.append("client_id", id);
    data.append("version", draft.version);
    data.append("made_at", new Date(draft.saved).toISOString());
    return data;
  }

  async function post(draft, id) {
    const answer = await fetch(`/declarations/new/${draft.key}/`, {
      method: "POST",
      body: body(draft, id),
      headers: { Accept: "application/json", "X-CSRFToken": field("csrfmiddlewaretoken").value },
    });
    if (answer.status !== 200 && answer.status !== 422) throw new Error(String(answer.status));
    return { status: answer.status, ...(await answer.json()) };
  }

  async function send() {
    const id = field("client_id").value;
    save({ ready: true });
    sending = true;
    say(words.sending);
    try {
      const answer = await post(all()[id] ?? { key, version: field("version").value, saved: Date.now(), fields: typed() }, id);
      if (answer.status === 200) {
        stash(all()[id]);
        drop(id);
        location.assign(answer.url);
        return;
      }
      // The server's page says what is wrong beside each question.
      put(id, { ...all()[id], ready: false });
      form.submit();
    } catch {
      sending = false;
      put(id, { ...all()[id], ready: true });
      say(words.waiting, null, words.private);
    }
  }

  async function flush() {
    if (sending) return;
    for (const [id, draft] of Object.entries(all()).filter(([, one]) => one.ready)) {
      sending = true;
      try {
        const answer = await post(draft, id);
        if (answer.status === 200) {
          if (field("client_id").value === id) stash(draft);
          drop(id);
          say(`${words.sent} ${answer.code}`);
          if (field("client_id").value === id) location.assign(answer.url);
        } else {
          put(id, { ...draft, ready: false });
          say(`${words.refused} ${answer.problems.join(" ")}`);
        }
      } catch {
        say(words.waiting, null, words.private);
      }
      sending = false;
    }
  }

  function say(text, id = null, more = "") {
    if (place.dataset.said === text + more) return;
    place.dataset.said = text + more;
    place.replaceChildren();
    const notice = document.createElement("div");
    notice.className = "notice";
    const line = document.createElement("p");
    line.textContent = `${text} ${more}`.trim();
    notice.append(line);
    if (id) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button button--quiet button--small";
      button.textContent = words.drop;
      button.addEventListener("click", () => {
        clearTimeout(timer);
        timer = 0;
        drop(id);
        location.reload();
      });
      notice.append(button);
    }
    place.append(notice);
  }
}
