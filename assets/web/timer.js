// The talk's time: counts up, or down from some minutes and then on below zero.

import { clock } from "./clock.js";

const byId = (name) => document.getElementById(`desk-${name}`);

export class Timer {
  constructor() {
    this.elapsed = 0; // ms before it was last started
    this.since = null; // when that was; null: it stands
    byId("start").addEventListener("click", () => this.toggle());
    byId("reset").addEventListener("click", () => this.reset());
    byId("minutes").addEventListener("input", () => this.show());
    setInterval(() => this.since !== null && this.show(), 250);
  }

  get time() {
    return this.elapsed + (this.since === null ? 0 : Date.now() - this.since); // also while asleep
  }

  toggle() {
    const { time } = this;
    this.elapsed = time;
    this.since = this.since === null ? Date.now() : null;
    byId("start").textContent = this.since === null ? "Start" : "Stop";
    this.show();
  }

  reset() {
    this.elapsed = 0;
    if (this.since !== null) this.since = Date.now();
    this.show();
  }

  show() {
    const minutes = Math.min(999, Math.max(0, Number(byId("minutes").value) || 0));
    const gone = Math.floor(this.time / 1000);
    const shown = minutes ? minutes * 60 - gone : gone;
    const text = clock(shown);
    if (byId("time").textContent !== text) byId("time").textContent = text;
    byId("time").dataset.late = shown < 0 ? "over" : minutes && shown < 60 ? "soon" : "";
  }
}
