// Small comforts on every page; nothing depends on them.

document.addEventListener("keydown", (event) => {
  // Escape closes the menu, "/" goes to the search box.
  if (event.key === "Escape" && location.hash === "#menu") location.hash = "top";
  const typing = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const box = document.querySelector(".search input[type=search]");
    if (box) {
      event.preventDefault();
      box.focus();
    }
  }
});

document.addEventListener("change", (event) => {
  // A filter marked data-auto-submit applies at once; its button stays for those without scripts.
  const form = event.target instanceof Element && event.target.closest("form[data-auto-submit]");
  if (form) form.requestSubmit();
});

document.addEventListener("submit", (event) => {
  // A second press of the same button sends nothing twice.
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent === "yes") {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 3000);
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
