// What the gate's page shows beside the verdict: the state of the device, the places, the shift.

export const by = (id) => document.getElementById(id);
export const text = JSON.parse(by("texts").textContent);
export const fill = (words, values) => words.replace(/\{(\w+)\}/g, (_all, name) => values[name] ?? "");

export function span(ms) {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  if (minutes < 1) return fill(text.seconds, { n: Math.max(0, Math.round(ms / 1000)) });
  if (minutes < 90) return fill(text.minutes, { n: minutes });
  const hours = Math.round(minutes / 60);
  return hours < 48 ? fill(text.hours, { n: hours }) : fill(text.days, { n: Math.round(hours / 24) });
}

export const clockTime = (moment) =>
  new Date(moment).toLocaleString(document.documentElement.lang, {
    hour: "2-digit", minute: "2-digit", day: "2-digit", month: "2-digit", timeZone: "Asia/Ho_Chi_Minh",
  });

export function showNetwork(on) {
  by("state-network").dataset.is = on ? "on" : "off";
  by("state-network").textContent = on ? text.networkOn : text.networkOff;
}

const LATE_MS = 3_600_000;
const MANY = 500;

export function showQueue({ count, oldest }) {
  const place = by("state-queue");
  const age = oldest ? Date.now() - Date.parse(oldest) : 0;
  place.dataset.waiting = String(count);
  place.dataset.is = age > LATE_MS || count > MANY ? "bad" : count ? "late" : "on";
  const words = age > 60_000 ? text.queueSince : text.queueWaiting;
  place.textContent = count ? fill(words, { count, age: span(age) }) : text.queueEmpty;
}

export function showData(bundle, now, stale) {
  const place = by("state-data");
  if (!bundle) {
    place.dataset.is = "off";
    place.textContent = text.dataNone;
    return;
  }
  const age = now - bundle.madeAt;
  place.dataset.is = stale ? "bad" : "on";
  place.textContent = age < 60_000 ? text.dataNow : fill(text.dataAge, { age: span(age) });
}

// One banner a cause: a text shows it, "" takes it away.
export function banner(cause, words, kind = "red") {
  const id = `banner-${cause}`;
  const found = by(id);
  if (!words) {
    found?.remove();
    return;
  }
  const made = found ?? document.createElement("p");
  if (made.textContent === words) return;
  made.id = id;
  made.className = `notice notice--${kind}`;
  made.setAttribute("role", "status");
  made.textContent = words;
  if (!found) by("banners").append(made);
}

const plain = (words) =>
  words.normalize("NFD").replace(/\p{M}/gu, "").replace(/[đĐ]/g, "d").toLowerCase();

export function showPlaces(places, wanted, chosen) {
  const words = plain(wanted).split(/\s+/).filter(Boolean);
  const list = by("place-list");
  list.replaceChildren();
  const found = places.filter((place) => {
    const all = plain(`${place.name} ${place.unit} ${place.code} ${place.kind}`);
    return words.every((word) => all.includes(word));
  });
  for (const place of found.slice(0, 60)) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "act";
    button.dataset.code = place.code;
    button.setAttribute("aria-pressed", String(place.code === chosen));
    const small = document.createElement("small");
    small.textContent = `${place.kind} · ${place.unit}`;
    button.append(place.name, small);
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
  if (!found.length) {
    const item = document.createElement("li");
    item.textContent = text.placeNone;
    list.append(item);
  }
}

export function showFacts(list, facts) {
  list.replaceChildren(
    ...facts.flatMap(([name, value]) => {
      const term = document.createElement("dt");
      const said = document.createElement("dd");
      term.textContent = name;
      said.textContent = value;
      return [term, said];
    }),
  );
}

export function showVerdict(verdict) {
  const panel = by("verdict");
  panel.dataset.colour = verdict.colour;
  delete panel.dataset.fresh;
  by("verdict-word").textContent = verdict.word;
  by("verdict-reason").textContent = verdict.reason;
  by("verdict-who").textContent = [verdict.name, verdict.year].filter(Boolean).join(" · ");
  by("verdict-note").textContent = verdict.note ?? "";
  panel.dataset.fresh = "";
}
