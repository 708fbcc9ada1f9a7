// One sender at a time, over all windows: the queue goes out in order and loses only what an answer has named.
import { Refused, post } from "./device.js";
import * as store from "./store.js";

const BATCH = 100;
const MOST_BYTES = 200_000; // the door takes 256 KB
const FIRST_MS = 2_000;
const LONGEST_MS = 300_000;

export class Sender {
  // `on` = {answer(answer), clock(offsetMs), refused(fault), changed(), live()}: `live` names the scan on the screen.
  constructor(device, address, boot, on) {
    Object.assign(this, { device, address, boot, on, failures: 0, timer: 0, offline: false });
  }

  now() {
    return this.send();
  }

  // True when the queue is empty afterwards.
  send() {
    return navigator.locks.request("khien-gate-send", async () => {
      clearTimeout(this.timer);
      try {
        for (let events = await store.waiting(BATCH); events.length; events = await store.waiting(BATCH)) {
          await this.batch(...this.next(events));
          this.failures = 0;
          this.offline = false;
          this.on.changed();
        }
        this.offline = false;
        return true;
      } catch (fault) {
        this.failures += 1;
        this.offline = !(fault instanceof Refused);
        if (fault instanceof Refused) this.on.refused(fault);
        const wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.failures - 1, 8));
        this.timer = setTimeout(() => this.send(), wait * (0.5 + Math.random() / 2));
        return false;
      } finally {
        this.on.changed();
      }
    });
  }

  // The front of the queue, and whether the server is asked what to show. Only of the scan on the screen: all others
  // were judged here, and their colours would be computed, and their people named, for nobody.
  next(events) {
    const live = events.findIndex((event) => event.id === this.on.live());
    if (live === 0) return [events.slice(0, 1), true];
    return [portion(live < 0 ? events : events.slice(0, live)), false];
  }

  async batch(events, verdicts) {
    const sent = new Date();
    const clocks = { sent_at: sent.toISOString(), boot: this.boot, sent_mono: Math.round(performance.now()) };
    const body = { ...clocks, verdicts, events };
    let reply;
    try {
      reply = await post(this.device, this.address, body);
    } catch (fault) {
      // A device that is no longer ours is told which scans were laid aside: those are safe and go.
      const held = fault instanceof Refused && Array.isArray(fault.body.held) ? fault.body.held : [];
      await this.settle(events, held);
      throw fault;
    }
    const middle = (sent.valueOf() + Date.now()) / 2;
    this.on.clock(Date.parse(reply.server_time) - middle);
    const named = reply.answers.map((answer) => answer.id);
    if (!(await this.settle(events, named))) throw new Error("no answer names an event");
    for (const answer of reply.answers) this.on.answer(answer);
  }

  async settle(events, named) {
    const mine = new Set(events.map((event) => event.id));
    const ids = named.filter((id) => mine.has(id));
    if (ids.length) await store.settle(ids);
    return ids.length;
  }
}

// As many as the door takes at once, and at least one.
function portion(events) {
  const measure = new TextEncoder();
  let size = 0;
  const end = events.findIndex((event) => {
    size += measure.encode(JSON.stringify(event)).length;
    return size > MOST_BYTES;
  });
  return end < 0 ? events : events.slice(0, Math.max(1, end));
}
