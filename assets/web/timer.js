// The talk's time: counts up, or down from some minutes and then on below zero. A page that is loaded
// again goes on.

const KEPT = "lightning-timer"; // in this tab's storage

import { clock } from "./clock.js";
import { text } from "./text.js";

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`desk-${name}`);

export class Timer {
  constructor() {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    this.elapsed = kept.elapsed ?? 0; // ms before it was last started
    this.since = kept.since ?? null; // when that was; null: it stands
    if (kept.minutes) byId("minutes").value = kept.minutes;
    byId("start").addEventListener("click", () => this.toggle());
    byId("reset").addEventListener("click", () => this.reset());
    byId("minutes").addEventListener("input", () => this.changed());
    this.show();
    setInterval(() => this.since !== null && this.show(), 250);
  }

  get time() {
    return this.elapsed + (this.since === null ? 0 : Date.now() - this.since); // also while asleep
  }

  toggle() {
    const { time } = this;
    this.elapsed = time;
    this.since = this.since === null ? Date.now() : null;
    this.changed();
  }

  reset() {
    this.elapsed = 0;
    if (this.since !== null) this.since = Date.now();
    this.changed();
  }

  changed() {
    const { elapsed, since } = this;
    sessionStorage.setItem(KEPT, JSON.stringify({ elapsed, since, minutes: byId("minutes").value }));
    this.show();
  }

  show() {
    const minutes = Math.min(999, Math.max(0, Number(byId("minutes").value) || 0));
    const gone = Math.floor(this.time / 1000);
    const shown = minutes ? minutes * 60 - gone : gone;
    const told = clock(shown);
    if (byId("time").textContent !== told) byId("time").textContent = told;
    byId("start").textContent = text(this.since === null ? "timer.start" : "timer.stop");
    byId("time").dataset.late = shown < 0 ? "over" : minutes && shown < 60 ? "soon" : "";
  }
}
