// Comforts of a sheet (kernel/forms): questions that their condition leaves out are hidden, rows come and go without
// the server, a province fills its communes. Without this script the sheet's buttons do the same.

for (const form of document.querySelectorAll("form[data-sheet]")) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-units] select:first-of-type")) fill(event.target);
    show(form);
  });
  form.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-add], [data-remove]");
    if (!button) return;
    event.preventDefault();
    const rows = button.closest("[data-rows]");
    if (button.matches("[data-add]")) add(rows);
    else take(rows, button.closest("[data-row]"));
    form.dispatchEvent(new Event("input", { bubbles: true }));
    show(form);
  });
  ready(form);
  show(form);
  if (form.dataset.focus && !document.querySelector("[role=alert]")) form.elements.namedItem(form.dataset.focus)?.focus();
}

export function ready(root) {
  for (const button of root.querySelectorAll("[data-units] [data-choose]")) button.hidden = true;
  for (const said of root.querySelectorAll("[data-unless]")) said.hidden = true;
}

// Whether a question is asked follows from the answers before it; what is hidden does not count as answered.
export function show(form) {
  for (const box of form.querySelectorAll("[data-when]")) {
    if (box.closest("template")) continue;
    const wanted = JSON.parse(box.dataset.when);
    box.hidden = !Object.entries(wanted).every(([name, values]) =>
      answers(form, box.dataset.prefix + name).some((given) => values.includes(given)),
    );
  }
}

function answers(form, name) {
  return [...form.elements]
    .filter((one) => one.name === name && !one.closest("[hidden]"))
    .filter((one) => !["radio", "checkbox"].includes(one.type) || one.checked)
    .map((one) => (one.type === "checkbox" && one.value === "on" ? "yes" : one.value));
}

export function add(rows, index) {
  const there = [...rows.querySelectorAll(":scope > [data-row]")];
  if (there.length >= Number(rows.dataset.most)) return null;
  const used = there.map((row) => Number(row.querySelector("input[type=hidden]").value));
  const next = index ?? Math.max(-1, ...used) + 1;
  const template = rows.querySelector(":scope > template");
  const holder = document.createElement("template");
  holder.innerHTML = template.innerHTML.replaceAll("__i__", String(next));
  const row = holder.content.firstElementChild;
  ready(row);
  template.before(row);
  renumber(rows);
  if (index === undefined) row.querySelector("input:not([type=hidden]), select, textarea").focus();
  return row;
}

export function take(rows, row) {
  const after = row.nextElementSibling;
  row.remove();
  renumber(rows);
  (after?.matches("[data-row]") ? after.querySelector("input:not([type=hidden]), select") : rows.querySelector("[data-add]")).focus();
}

export function renumber(rows) {
  const there = rows.querySelectorAll(":scope > [data-row]");
  const word = rows.querySelector(":scope > template").content.querySelector("[data-row-title]").textContent;
  there.forEach((row, place) => {
    row.querySelector("[data-row-title]").textContent = `${word} ${place + 1}`;
  });
  rows.querySelector("[data-add]").hidden = there.length >= Number(rows.dataset.most);
}

export async function fill(select, chosen = "") {
  const box = select.closest("[data-units]");
  const communes = box.querySelectorAll("select")[1];
  communes.disabled = true;
  try {
    const answer = await fetch(`${box.dataset.units}?province=${encodeURIComponent(select.value)}`);
    if (!answer.ok) throw new Error(String(answer.status));
    communes.innerHTML = `<option value="">–</option>${await answer.text()}`;
    communes.value = chosen;
  } catch {
    box.querySelector("[data-choose]").hidden = false;
  }
  communes.disabled = false;
}
