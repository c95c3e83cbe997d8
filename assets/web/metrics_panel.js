// The metrics panel: how much there is to do, told once a second while the panel is open, and what
// the pictures would have cost elsewhere.

import { EngineTable } from "./engine_table.js";
import { Meter } from "./meter.js";
import { decimal, milliseconds, percent } from "./numbers.js";
import { write } from "./unchanged.js";

/** How each figure is written. @type {[Exclude<keyof Load, "type" | "engines">, (value: number) => string][]} */
const KINDS = [
  ["sessions", (n) => String(n)],
  ["pictures_per_second", (n) => decimal(n, 1)],
  ["rows_per_step", (n) => decimal(n, 1)],
  ["queue_wait_ms", (n) => milliseconds(n)],
  ["hit_rate", percent],
  ["wasted", percent],
];

export class MetricsPanel {
  /** @param {(open: boolean) => void} watch  called with true when the panel is opened, with false when it is closed */
  constructor(watch) {
    this.box = document.getElementById("metrics-panel");
    this.engines = new EngineTable(document.getElementById("engines"));
    this.meter = new Meter(document.getElementById("meter"));
    this.box.addEventListener("toggle", () => watch(this.open));
  }

  get open() {
    return this.box.open;
  }

  /** Writes a summary of the engine's load; what was not measured is a dash. @param {Load} load */
  show(load) {
    for (const [name, words] of KINDS) {
      const value = load[name];
      write(this.box.querySelector(`[data-name="${name}"]`), value == null ? "–" : words(value));
    }
    this.engines.show(load.engines);
    this.meter.show("server", load.pictures);
  }

  /** A frame has come. @param {FrameHeader} header */
  count(header) {
    this.meter.count(header);
  }
}
