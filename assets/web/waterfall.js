// Where the time of one picture went: its stages one below the other, each from where it began.

import { late } from "./late.js";
import { milliseconds } from "./numbers.js";
import { text } from "./text.js";
import { hide, write } from "./unchanged.js";

const STAGES = ["queue", "embed", "steps", "decode", "encode"];

/** Of a picture, ms. @typedef {{ label: string, start: number, length: number }} Stage */

/**
 * The stages of a picture, first to last: [{ label, start, length }] in ms.
 *
 * The server's stages follow one another; encoding ends where the server's time ends, so that what
 * it waited before shows as a gap. The rest of the page's own time is the network's and the page's.
 *
 * @param {Record<string, number>} timings  ms by stage, as the final frame's header has them, with their "total"
 * @param {number} whole  ms from the keystroke to the picture on the canvas, by the page's clock
 */
export function stages(timings, whole) {
  const total = timings.total ?? 0;
  let start = 0;
  const rows = STAGES.map((name) => {
    const length = timings[name] ?? 0;
    if (name === "encode") start = Math.max(start, total - length);
    const row = { label: text(`waterfall.${name}`), start, length };
    start += length;
    return row;
  });
  return [...rows, { label: text("waterfall.outside"), start: total, length: Math.max(0, whole - total) }];
}

/** The panel that shows them: opened and closed by its button, closed by Escape. */
export class Waterfall {
  constructor() {
    this.box = document.getElementById("waterfall");
    this.button = document.getElementById("times");
    /** @type {{ header: FrameHeader, whole: number } | null} */
    this.last = null; // header and ms of the last finished picture
    /** @type {Row[]} */
    this.rows = []; // as many as stages, once there was a picture
    this.drawLater = late(() => this.draw());
    this.button.addEventListener("click", () => this.toggle());
    document.getElementById("waterfall-close").addEventListener("click", () => this.toggle(false));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.box.hidden) this.toggle(false);
    });
  }

  toggle(open = this.box.hidden) {
    const inside = this.box.contains(document.activeElement);
    this.box.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (open) this.draw();
    else if (inside) this.button.focus();
  }

  /**
   * A final frame is on the canvas, so many ms after its keystroke.
   * @param {FrameHeader} header
   * @param {number} whole
   */
  finished(header, whole) {
    this.last = { header, whole };
    this.drawLater();
  }

  draw() {
    if (!this.last || this.box.hidden) return;
    const { header, whole } = this.last;
    const end = Math.max(whole, header.timings.total ?? 0, 1);
    stages(header.timings, whole).forEach((stage, place) => {
      const row = (this.rows[place] ??= rowIn(this.box.querySelector("ol"), stage));
      show(row, stage, end);
    });
    const { num_inference_steps: steps } = header;
    const from = header.cached ? text("stage.memory") : text("steps", { count: steps });
    write(document.getElementById("waterfall-sum"), `${ms(whole)} · ${from}`);
  }
}

/** What changes in the line of a stage. @typedef {{ bar: HTMLElement, number: HTMLElement }} Row */

/** @param {HTMLElement} list @param {Stage} stage @returns {Row} */
function rowIn(list, { label }) {
  const item = document.createElement("li");
  const [name, track, bar, number] = ["span", "i", "i", "b"].map((tag) => document.createElement(tag));
  name.textContent = label;
  track.append(bar);
  item.append(name, track, number);
  list.append(item);
  return { bar, number };
}

/** @param {Row} row @param {Stage} stage @param {number} end  ms, where the lines end */
function show({ bar, number }, { start, length }, end) {
  write(number, length ? ms(length) : "–");
  hide(bar, !length);
  bar.style.left = `${(100 * start) / end}%`;
  bar.style.width = `${(100 * length) / end}%`;
}

/** @param {number} time */
function ms(time) {
  return milliseconds(time, time < 9.95 ? 1 : 0);
}
