// Every code that a guard meets, recognised by its text alone. Only our pass and HC1 are signed; the rest are claims.
//
// `read(text, keys)` answers {kind, …}: who it may be as `numbers` ([kind, number] for the filter), what goes to the
// server as `send`, and what the guard compares as `name`, `year`. Kinds: pass, cccd, cmnd, insurance, national,
// certificate, place, declaration, typed, bank, address, enrolment, keyboard, incomplete, unknown. Nothing here throws.
import { fromBase45, fromBase64, fromHex, inflate, textOf } from "./bytes.js";
import { decode } from "./cbor.js";
import { open, signerOf } from "./cose.js";
import { verifyStep } from "../step.js";

const MOST = 2000;
const MOST_CERTIFICATE = 4296; // letters of the largest QR code
const INFLATED = 10_240;

export async function read(text, keys, now = Date.now()) {
  const raw = String(text ?? "").trim();
  const said = clean(raw);
  if (!said) return { kind: "unknown", why: "empty" };
  if (said.length > (said.startsWith("HC1:") ? MOST_CERTIFICATE : MOST)) return { kind: "unknown", why: "too_long" };
  return (await readSigned(said, keys, now)) ?? readAddress(said) ?? readBank(raw) ?? readClaim(said);
}

// NFC on one line; what cannot be printed comes from scanners, never from a card.
export function clean(text) {
  return String(text ?? "")
    .normalize("NFC")
    .replace(/[\u0000-\u001f\u007f-\u009f\ud800-\udfff\ufeff\u200b]+/g, " ")
    .trim();
}

// One changed letter of a signed code is one too many: a Vietnamese keyboard was on.
function readSigned(said, keys, now) {
  const prefix = Object.keys(SIGNED).find((typed) => said.startsWith(typed));
  if (!prefix) return null;
  if (prefix === "KA1:") return { kind: "typed", send: said, numbers: [] };
  if (prefix === "KB1:") {
    const token = said.slice(4).replace(/[ -]/g, "").toUpperCase();
    if (/^[A-Z2-7]{8,16}$/.test(token)) return { kind: "declaration", token, send: `KB1:${token}`, numbers: [] };
    return isAscii(token) ? { kind: "unknown", why: "unknown_code" } : { kind: "keyboard" };
  }
  if (!said.startsWith(SIGNED[prefix]) || !isAscii(said)) return { kind: "keyboard" };
  const ours = prefix === "YT1:" || prefix === "YT2:";
  return ours ? readPass(said, keys.pass_keys, now) : readCertificate(said, keys.signers);
}

const SIGNED = { "YT1:": "YT1:", "YT2:": "YT2:", "ÝT:": "YT1:", "ỲT:": "YT2:", "HC1:": "HC1:", "KB1:": "KB1:", "KA1:": "KA1:" };
const isAscii = (text) => /^[\x00-\x7f]*$/.test(text);

function readClaim(said) {
  const bars = said.split("|").map((part) => part.trim());
  const born = /^(\d{4}|\*{4})-(\d\d|\*\*)(?:-(\d\d|\*\*))?$/.exec(bars[2] ?? "");
  if (born) return bars.length < 6 ? { kind: "incomplete" } : readNational(said, bars, born);
  if (/^\d{12}\|/.test(said)) return readCard(said, bars);
  if (/^(?:[A-Z]{2}\d{13}|\d{10})\|/.test(said)) return readInsurance(said, bars);
  const number = said.replace(/[ .-]/g, "");
  if (/^[0-9]{12}$/.test(number)) return bare("cccd", number, number);
  if (/^[0-9]{9}$/.test(number)) return bare("cmnd", number, number);
  if (/^(?:[A-Z]{2}[0-9]{3})?[0-9]{10}$/.test(number)) return bare("insurance", number.slice(-10), number);
  // Another layout types another sign for every bar: the same one at least six times. The number alone is enough.
  const head = /^([0-9]{12})([^0-9A-Za-z .-])/.exec(said);
  if (head && said.split(head[2]).length > 6) return { ...bare("cccd", head[1], head[1]), damaged: true };
  const plain = bars[0].normalize("NFD").replace(/\p{M}/gu, "").toUpperCase();
  if (bars.length > 1 && !isAscii(bars[0]) && /^[A-Z]{2}[0-9]{1,13}$/.test(plain)) return { kind: "keyboard" };
  return { kind: "unknown", why: "unknown_code" };
}

const bare = (kind, number, send) => ({ kind, send, numbers: [[kind, number]], bare: true });

// number|old number|name|ddmmyyyy|sex|address|ddmmyyyy|…
function readCard(said, bars) {
  const number = bars[0];
  if (bars.length < 7) return { kind: "incomplete" };
  const numbers = [["cccd", number]];
  if (/^\d{9}$/.test(bars[1])) numbers.push(["cmnd", bars[1]]);
  const told = /^(\d\d)(\d\d)(\d{4})$/.exec(bars[3]);
  let birth = told ? dayOf(told[3], told[2], told[1]) : "";
  // The number says the year of birth; a scanner that garbles digits would say another.
  if (Number(birth.slice(2, 4)) !== Number(number.slice(4, 6))) birth = "";
  // No card is without any accent: a keyboard lost them, and perhaps letters too.
  const name = isName(bars[2]) && !isAscii(said) ? oneLine(bars[2]) : "";
  const year = Number(birth.slice(0, 4)) || undefined;
  return { kind: "cccd", send: said, numbers, name, birth, year, damaged: !name || !birth };
}

// card number|name as hex of UTF-8|day or year of birth|1 or 2|…
function readInsurance(said, bars) {
  if (bars.length < 4) return { kind: "incomplete" };
  const numbers = [["insurance", bars[0].slice(-10)]];
  let name = "";
  try {
    name = oneLine(textOf(fromHex(bars[1])).normalize("NFC"));
  } catch {
    name = "";
  }
  const day = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(bars[2]);
  const birth = day ? dayOf(day[3], day[2], day[1]) : /^\d{4}$/.test(bars[2]) ? bars[2] : "";
  if (!isName(name)) name = "";
  return { kind: "insurance", send: said, numbers, name, birth, year: Number(birth.slice(0, 4)) || undefined, damaged: !name };
}

// Decision 1405/QĐ-BTTTT: id|name|yyyy-mm-dd|type|QID|EXT, the first six of the id and day and month may be stars.
function readNational(said, bars, born) {
  const [id, given, , type] = bars;
  const year = /^\d/.test(born[1]) ? Number(born[1]) : undefined;
  const birth = year ? dayOf(born[1], born[2], born[3] ?? "") || born[1] : "";
  const name = isName(given) ? oneLine(given) : "";
  const found = { kind: "national", name, year, birth, forAnother: type === "1", starred: id.includes("*") };
  const extension = bars.slice(5).join("|").split("<").map((part) => part.trim());
  const phone = extension.find((part) => /^(?:0|\+?84)\d{9}$/.test(part));
  // A number that says another year of birth is somebody else's, the declarer's for instance.
  const other = /^\d{12}$/.test(id) && year && Number(id.slice(4, 6)) !== year % 100;
  const kinds = [["cccd", /^\d{12}$/], ["cmnd", /^\d{9}$/], ["insurance", /^(?:[A-Z]{2}\d{3})?\d{10}$/], ["passport", /^[A-Z]{1,2}\d{6,8}$/]];
  const kind = other ? undefined : kinds.find(([, shape]) => shape.test(id.toUpperCase()))?.[0];
  if (kind) {
    const number = kind === "insurance" ? id.slice(-10) : id.toUpperCase();
    return { ...found, numbers: [[kind, number]], send: said };
  }
  if (!name) return { ...found, numbers: [] };
  const from = id.includes("*") ? `…${id.replace(/^\*+/, "")}` : "";
  return { ...found, numbers: [], send: typedCode({ name, year, phone, from }) };
}

function dayOf(year, month, day) {
  const made = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  const text = `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
  return Number(year) >= 1880 && !Number.isNaN(made.valueOf()) && made.toISOString().startsWith(text) ? text : "";
}

const oneLine = (text) => text.split(/\s+/).filter(Boolean).join(" ");

const FAULTS = { "unknown key": "unknown_key", "bad signature": "bad_signature" };

// A phone shows its pass with a fresh step: without it, or with an old one, it may be a picture of somebody's phone.
async function readPass(said, keys, now) {
  const hex = (octets) => Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
  // The point stands at the end of a P-256 key's SubjectPublicKeyInfo.
  const points = new Map(keys.map((key) => [hex(fromBase64(key.kid)), fromBase64(key.spki).slice(-65)]));
  try {
    const seen = await verifyStep(said, points, now);
    if (typeof seen.sub !== "string" || !Number.isFinite(seen.expires)) throw new RangeError("claims");
    return {
      kind: "pass",
      send: said,
      numbers: [["pass", seen.sub]],
      expires: seen.expires,
      paper: seen.type === "paper",
      copied: !seen.fresh,
      name: seen.name,
      year: seen.birthYear ?? undefined,
      masked: true,
    };
  } catch (fault) {
    return { kind: "pass", forged: FAULTS[fault.message] ?? "malformed", send: said, numbers: [] };
  }
}

// The container of the EU certificate (hcert-spec 1.0.8): base45, zlib, COSE_Sign1, CWT, claim -260.
async function readCertificate(said, signers) {
  try {
    let octets = fromBase45(said.slice(4));
    if (octets[0] === 0x78) octets = await inflate(octets, INFLATED);
    const message = open(octets);
    const { signer, why } = await signerOf(message, signers);
    if (!signer) return { kind: "certificate", forged: why, numbers: [] };
    const claims = decode(message.payload);
    // 1 is the European content, -6 that of the World Health Organization.
    const content = claims.get(-260)?.get(1) ?? claims.get(-260)?.get(-6);
    if (!mayHaveSigned(signer, content, seconds(claims.get(6)))) return { kind: "certificate", forged: "wrong_use", numbers: [] };
    const given = content?.get("nam") ?? new Map();
    const told = [given.get("fn"), given.get("gn")].filter(Boolean).join(" ");
    const name = clean(told || given.get("fnt") || content?.get("n") || "");
    const year = Number(/^\d{4}/.exec(String(content?.get("dob") ?? ""))?.[0]) || undefined;
    const found = { kind: "certificate", country: claims.get(1) ?? signer.country ?? "", name, year, numbers: [] };
    return { ...found, expires: seconds(claims.get(4)) * 1000, what: contentOf(content), send: said };
  } catch {
    return { kind: "certificate", forged: "malformed", numbers: [] };
  }
}

// Seconds since 1970, plain or in CBOR's tag 1.
const seconds = (value) => Number(value?.value ?? value);
const USES = { v: "vaccination", t: "test", r: "recovery" };

// A signer may sign the kinds that its own certificate names (none: any), and only while that certificate holds.
function mayHaveSigned({ uses = [], until = Number.POSITIVE_INFINITY }, content, issued) {
  if (issued > until) return false;
  const kinds = Object.keys(USES).filter((letter) => content?.get(letter) && content.get(letter).length !== 0);
  return !uses.length || kinds.every((letter) => uses.includes(USES[letter]));
}

function contentOf(content) {
  const first = (name) => {
    const rows = content?.get(name);
    if (rows instanceof Map) return rows;
    return Array.isArray(rows) && rows[0] instanceof Map ? rows[0] : null;
  };
  const dose = first("v");
  if (dose) return { sort: "dose", number: dose.get("dn"), of: dose.get("sd"), on: day(dose.get("dt")), product: dose.get("mp") };
  const test = first("t");
  if (test) return { sort: "test", negative: test.get("tr") === "260415000", on: day(test.get("sc")) };
  const recovery = first("r");
  if (recovery) return { sort: "recovery", on: day(recovery.get("fr")), until: day(recovery.get("du")) };
  return { sort: "none" };
}

// CBOR may hold a day as text or tagged; shown as dd/mm/yyyy.
function day(value) {
  const found = /^(\d{4})-(\d\d)-(\d\d)/.exec(String(value?.value ?? value ?? ""));
  return found ? `${found[3]}/${found[2]}/${found[1]}` : "";
}

function readAddress(said) {
  const web = /^(?:https?:\/\/|www\.)\S+$/i.test(said);
  if (!web && !said.includes("://")) return null;
  let address;
  try {
    address = new URL(/^www\./i.test(said) ? `https://${said}` : said);
  } catch {
    return { kind: "unknown", why: "unknown_code" };
  }
  const place = /^\/checkpoints\/at\/([0-9A-Z]{8,12})\/?$/.exec(address.pathname);
  if (place) return { kind: "place", place: place[1], check: address.searchParams.get("m") ?? "" };
  const enrolment = /^\/checkpoints\/gate\/$/.test(address.pathname) && /^#([0-9A-Z]{10})$/i.exec(address.hash);
  if (enrolment) return { kind: "enrolment", code: enrolment[1].toUpperCase() };
  return web ? { kind: "address", host: address.host } : { kind: "unknown", why: "unknown_code" };
}

// VietQR and other EMVCo payment codes: tags, lengths and the checksum must agree.
function readBank(raw) {
  if (!/^000201[\s\S]*6304[0-9A-F]{4}$/i.test(raw)) return null;
  if (crc16(raw.slice(0, -4)) !== Number.parseInt(raw.slice(-4), 16)) return null;
  const objects = objectsOf(raw);
  const template = (tag) => (tag >= 26 && tag <= 51) || tag === 62 || tag === 64 || tag >= 80;
  if (!objects?.every(([tag, value]) => !template(tag) || objectsOf(value))) return null;
  return objects.at(-1)[0] === 63 ? { kind: "bank", vietnamese: raw.includes("A000000727") } : null;
}

function objectsOf(text) {
  const found = [];
  for (let at = 0; at < text.length; ) {
    const head = /^(\d\d)(\d\d)/.exec(text.slice(at, at + 4));
    const end = at + 4 + Number(head?.[2]);
    if (!head || end > text.length) return null;
    found.push([Number(head[1]), text.slice(at + 4, end)]);
    at = end;
  }
  return found;
}

// CRC-16/CCITT-FALSE over the text with its own tag and length, as EMVCo has it.
export function crc16(text) {
  let crc = 0xffff;
  for (const letter of new TextEncoder().encode(text)) {
    crc ^= letter << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}

// What a guard typed of somebody without a code, as a code.
export function typedCode({ name, year, phone, from }) {
  const said = { name: clean(name) };
  if (year) said.year = Number(year);
  if (phone) said.phone = clean(phone);
  if (from) said.from = clean(from);
  return `KA1:${JSON.stringify(said)}`;
}

export function isName(text) {
  return typeof text === "string" && text.length >= 2 && text.length <= 120 && /^[\p{L}\p{M} '’.-]+$/u.test(text) && /\p{L}/u.test(text);
}

// "Nguyễn Văn An" → "N. V. An": enough to compare with a face that says its name.
export function mask(name) {
  const words = String(name ?? "").split(/\s+/).filter(Boolean);
  return words.map((word, place) => (place < words.length - 1 ? `${[...word][0]}.` : word)).join(" ");
}
