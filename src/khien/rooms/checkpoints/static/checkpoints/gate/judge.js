// What the gate says about what was read, from what lies on the device. No network, no page.

const DAY_MS = 86_400_000;

// {colour, title, reason, name, year, note, ask}: `ask` when only the server can clear or confirm it; `scan` when it is a
// scan of a person and goes to the queue. `text` are the page's words.
export async function judge(seen, bundle, text, now = Date.now()) {
  const found = await by(seen, bundle, text, now);
  return { note: "", ask: false, scan: true, name: "", year: undefined, ...found, word: text.words[found.colour] };
}

async function by(seen, bundle, text, now) {
  switch (seen.kind) {
    case "bank":
      return told("grey", text.isBank, text.needsPerson);
    case "address":
      return told("grey", text.isAddress, text.needsPerson);
    case "keyboard":
      return told("grey", text.isKeyboard, text.keyboardOff);
    case "incomplete":
      return told("grey", text.isIncomplete, text.scanAgain);
    case "unknown":
      return told("grey", text.isUnknown, text.needsPerson);
    case "certificate":
      return certificate(seen, bundle, text, now);
    default:
      break;
  }
  const who = { name: seen.name ?? "", year: seen.year };
  if (seen.kind === "pass" && seen.forged) return forged(seen, bundle, text);
  if (!bundle) return { ...who, colour: "grey", reason: text.noBundle };
  if (seen.kind === "declaration") return { ...who, colour: "yellow", reason: text.declaration, ask: true };
  if (seen.kind === "typed") return { ...who, colour: bundle.payload.otherwise.colour === "green" ? "yellow" : bundle.payload.otherwise.colour, reason: text.typed };
  if (!seen.numbers.length) return { ...who, colour: "yellow", reason: text.starred };
  const found = await bundle.classOf(seen.numbers);
  const verdict = { ...who, colour: found.colour, reason: found.sentence, ask: found.listed && found.colour !== "green" };
  if (seen.kind === "pass" && seen.expires <= now && ["green", "yellow"].includes(verdict.colour)) {
    return { ...verdict, colour: "orange", reason: text.passExpired };
  }
  if (seen.kind === "pass" && seen.paper) verdict.note = text.comparePaper;
  if (seen.copied && verdict.colour === "green") return { ...verdict, colour: "yellow", reason: text.passCopied };
  if (seen.copied) verdict.note = text.passCopied;
  if (seen.forAnother) verdict.note = text.forAnother;
  return verdict;
}

const told = (colour, reason, note) => ({ colour, reason, note, scan: false });

function forged(seen, bundle, text) {
  if (seen.forged === "malformed") return { colour: "grey", reason: text.passMalformed, scan: false };
  // A key made after this bundle is not known here yet: the server will say.
  const old = !bundle || Date.now() - bundle.madeAt > DAY_MS;
  if (seen.forged === "unknown_key" && old) return { colour: "orange", reason: text.passUnknownKey, ask: true };
  return { colour: "red", reason: text.passForged };
}

function certificate(seen, bundle, text, now) {
  const who = { name: seen.name ?? "", year: seen.year };
  if (!bundle) return { ...who, ...told("grey", text.noBundle, "") };
  if (seen.forged === "malformed") return told("grey", text.certificateMalformed, text.scanAgain);
  if (seen.forged === "unknown_key") return told("orange", text.certificateUnknown, text.needsPerson);
  if (seen.forged) return told("red", text.certificateForged, text.needsPerson);
  const what = contents(seen.what, text);
  if (!(seen.expires > now)) return { ...who, colour: "orange", reason: text.certificateExpired, note: what };
  // The proof is genuine, but whose it is only a document says: never more than yellow.
  return { ...who, colour: "yellow", reason: `${text.certificateGood} ${what}`.trim(), note: text.certificateCompare };
}

function contents(what, text) {
  if (what.sort === "dose") {
    const doses = text.doses.replace("{number}", what.number ?? "?").replace("{of}", what.of ?? "?");
    return what.on ? doses.replace("{on}", what.on) : doses.replace(/, [^,]*\{on\}/, "");
  }
  if (what.sort === "test") return (what.negative ? text.testNegative : text.testPositive).replace("{on}", what.on);
  if (what.sort === "recovery") return text.recovered.replace("{on}", what.on);
  return "";
}
