// A hand scanner is a keyboard that types a whole code within a blink. It is heard anywhere on the page, without focus.

const SLOWEST_MS = 60; // between two keys of a burst; the fastest typists need twice as long
const SHORTEST = 8;
const SILENCE_MS = 160; // a scanner without Enter at its end

export class HandScanner {
  // `scanned(text)` gets each whole burst.
  constructor(scanned, now = () => performance.now()) {
    this.scanned = scanned;
    this.now = now;
    this.keys = [];
    this.last = 0;
    this.field = null;
    this.timer = 0;
  }

  listen(target) {
    target.addEventListener("keydown", (event) => this.key(event), { capture: true });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const now = this.now();
    if (now - this.last > SLOWEST_MS) this.begin();
    clearTimeout(this.timer);
    if (event.key === "Enter" || event.key === "Tab") {
      if (this.keys.length >= SHORTEST) {
        event.preventDefault();
        event.stopImmediatePropagation();
        this.end();
      }
      return;
    }
    // A Vietnamese keyboard corrects itself by taking letters back; so do we.
    if (event.key === "Backspace") this.keys.pop();
    else if (event.key.length === 1 || [...event.key].length === 1) this.keys.push(event.key);
    else return;
    this.last = now;
    this.timer = setTimeout(() => this.keys.length >= SHORTEST * 2 && this.end(), SILENCE_MS);
  }

  begin() {
    this.keys = [];
    const field = document.activeElement;
    this.field = field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement ? field : null;
    this.before = this.field?.value;
  }

  end() {
    const text = this.keys.join("");
    // What the scanner typed into a field that happened to have the focus is taken out again.
    if (this.field) {
      this.field.value = this.before;
      this.field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    this.keys = [];
    this.last = 0;
    this.scanned(text);
  }
}
