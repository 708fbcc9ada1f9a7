// How many SMS parts a text takes, said while it is typed. The same count as khien.gateways.sms.text.measure:
// tests/vectors/sms.json is read by the tests of both. Without this script the page counts when it is saved.

const BASIC =
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿" +
  "abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENDED = new Set("\f^{}\\[~]|€");
const LETTERS = new Set([...BASIC, ...EXTENDED]);
// What Python's str.strip takes away; JavaScript's trim knows other letters.
const EDGES = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+|[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/g;

export function normalise(text) {
  return text.normalize("NFC").replaceAll("\r\n", "\n").replace(EDGES, "");
}

// { encoding: "GSM-7" | "UCS-2", units, parts }
export function measure(raw) {
  const letters = [...normalise(raw)];
  const gsm = letters.every((letter) => LETTERS.has(letter));
  const weigh = gsm ? (letter) => (EXTENDED.has(letter) ? 2 : 1) : (letter) => letter.length;
  const [single, part] = gsm ? [160, 153] : [70, 67];
  const weights = letters.map(weigh);
  const units = weights.reduce((sum, weight) => sum + weight, 0);
  let parts = 1;
  if (units > single) {
    let room = part;
    for (const weight of weights) {
      if (weight > room) {
        parts += 1;
        room = part;
      }
      room -= weight;
    }
  }
  return { encoding: gsm ? "GSM-7" : "UCS-2", units, parts };
}

export function stripAccents(text) {
  return normalise(text)
    .replaceAll("đ", "d")
    .replaceAll("Đ", "D")
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "");
}

function tell(box, text) {
  const plain = stripAccents(text);
  for (const [name, said] of [["as-is", text], ["plain", plain]]) {
    const size = measure(said);
    for (const key of ["encoding", "units", "parts"]) {
      const place = box.querySelector(`[data-${name}-${key}]`);
      if (place) place.textContent = String(size[key]);
    }
  }
  const shown = box.querySelector("[data-plain-text]");
  if (shown) shown.textContent = plain;
}

if (typeof document !== "undefined") {
  for (const area of document.querySelectorAll("textarea[data-sms]")) {
    const box = area.form?.querySelector(`[data-sms-of="${area.id}"]`);
    if (box) area.addEventListener("input", () => tell(box, area.value));
  }
}
