// A hand scanner ends with Enter: in a field with data-next that moves on instead of sending the form.
// In the group of values the keys + - ? choose.
const KEYS = { "+": "positive", "=": "positive", "-": "negative", "?": "indeterminate", "/": "indeterminate" };

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.key === "Enter" && field.dataset?.next && field.value.trim() !== "") {
    const next = document.getElementById(field.dataset.next);
    if (next) {
      event.preventDefault();
      next.focus();
    }
    return;
  }
  if (field.type === "radio" && KEYS[event.key]) {
    const choice = field.form.querySelector(`input[name="${field.name}"][value="${KEYS[event.key]}"]`);
    if (choice) {
      event.preventDefault();
      choice.checked = true;
      choice.focus();
    }
  }
  if (field.type === "radio" && event.key === "Enter") {
    event.preventDefault();
    field.form.requestSubmit();
  }
});

const wrong = document.querySelector(".field--error input");
const first = wrong ?? document.querySelector("[data-first], form.form input:not([type=hidden])");
first?.focus();
