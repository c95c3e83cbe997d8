// Compares: one request with one or two of its settings varied, as a grid that fills as it is painted.

import { axes, cellsOf } from "./compare_axes.js";
import { CompareGrid } from "./compare_grid.js";
import { gridZip } from "./compare_zip.js";
import { contactSheet } from "./contact_sheet.js";
import { save } from "./files.js";
import { decimal, dollars, milliseconds } from "./numbers.js";
import { pictureOf } from "./picture_request.js";
import { isNamed, wordsOf } from "./problems.js";
import { said } from "./said.js";
import { text } from "./text.js";

// Pictures. A browser opens six connections to a server: beside these Gradio holds one or two, and
// what is typed meanwhile needs one where there are no sockets.
const AT_ONCE = 3;
const NONE = "";
const SIDES = /** @type {const} */ (["across", "down"]);

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(`compare-${name}`);

export class Compare {
  /** @param {import("./live.js").Lightning} lightning  the page's live loop */
  constructor(lightning) {
    this.lightning = lightning;
    this.dialog = document.getElementById("compare");
    /** @type {Asked} what is varied */
    this.base = lightning.request;
    /** @type {Record<string, import("./compare_axes.js").Axis>} by name, since it was opened */
    this.axes = {};
    this.grid = new CompareGrid();
    /** @type {string[]} this server's, and those of the one that is compared with */
    this.weights = [];
    /** @type {AbortController | null} */
    this.running = null; // what is being painted, until it is aborted
    this.wire();
  }

  wire() {
    /** @type {Record<string, () => unknown>} */
    const actions = {
      use: () => this.use(),
      slide: () => this.grid.slide(),
      save: () => this.save(),
      zip: () => this.saveZip(),
      close: () => this.dialog.close(),
    };
    this.dialog.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) actions[button.id.replace("compare-", "")]?.();
    });
    this.dialog.addEventListener("close", () => this.stop());
    byId("form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running) this.stop();
      else this.go();
    });
    for (const side of SIDES) {
      byId(side).addEventListener("change", () => this.offer(side));
    }
  }

  open() {
    const { lightning } = this;
    this.base = { ...lightning.request, seed: lightning.request.seed ?? lightning.current?.seed ?? 0 };
    this.offerAxes();
    byId("prompt").textContent = this.base.prompt;
    this.grid.show([], 1);
    this.say("");
    this.dialog.showModal();
    byId("go").focus();
    if (lightning.compared) this.findWeights();
  }

  /** Asks for the names of the weights here, and of the server that is compared with. */
  async findWeights() {
    const answer = await fetch(new URL("../compared", import.meta.url)).catch(() => null);
    const found = await answer?.json().catch(() => null);
    if (answer?.ok) this.weights = found.titles;
    else this.say(found?.detail ? said(found.detail) : text("compare.weights_gone"), "problem");
    this.offerAxes(false);
  }

  /** @param {boolean} anew  whether values are those that an axis begins with */
  offerAxes(anew = true) {
    this.axes = axes(this.base, this.lightning.recalled.limits, this.weights);
    for (const side of SIDES) {
      const options = Object.entries(this.axes).map(([value, { title }]) => new Option(title, value));
      if (side === "down") options.unshift(new Option(text("compare.nothing"), NONE));
      const kept = byId(side).value;
      byId(side).replaceChildren(...options);
      if (kept in this.axes) byId(side).value = kept;
      if (anew) this.offer(side);
    }
  }

  /** @param {"across" | "down"} side */
  offer(side) {
    const axis = this.axes[byId(side).value];
    const field = byId(`${side}-values`);
    field.value = axis?.begin ?? "";
    field.disabled = !axis;
  }

  /** An axis with its values as they are written; null for none. @param {"across" | "down"} side */
  read(side) {
    const axis = this.axes[byId(side).value];
    return axis ? { axis, values: axis.read(byId(`${side}-values`).value) } : null;
  }

  // Painting ---------------------------------------------------------------------------------

  async go() {
    this.stop();
    let across;
    let cells;
    try {
      const down = this.read("down");
      across = /** @type {import("./compare_axes.js").Values} */ (this.read("across")); // it is never none
      if (down?.axis === across.axis) throw new Error(text("compare.same"));
      cells = cellsOf(this.base, across, down);
    } catch (problem) {
      this.say(wordsOf(problem), "problem");
      return;
    }
    this.grid.show(cells, across.values.length);
    const control = (this.running = new AbortController());
    byId("go").textContent = text("paint.stop");
    const begun = performance.now();
    const waiting = this.grid.cells.values();
    const work = async () => {
      for (const cell of waiting) {
        if (control.signal.aborted) return;
        await this.paint(cell, control.signal);
        this.count();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (this.running !== control) return;
    this.stop();
    this.count(performance.now() - begun);
  }

  /** @param {import("./compare_grid.js").Shown} cell @param {AbortSignal} signal */
  async paint(cell, signal) {
    const { weights = this.weights[0], ...request } = cell.request;
    const where = weights === this.weights[0] ? undefined : "../compared/picture";
    try {
      const { blob, took } = await pictureOf(request, signal, where);
      const { price } = this;
      this.grid.fill(cell, blob, [milliseconds(took), price && dollars(price.usd, 4)].filter(Boolean).join(" · "));
    } catch (problem) {
      if (isNamed(problem, "AbortError")) return;
      this.grid.fail(cell, wordsOf(problem));
    }
  }

  /** What one picture would have cost where SDXL-Lightning is hosted; null where that is not told. */
  get price() {
    const [service, usd] = JSON.parse(document.getElementById("meter")?.dataset.prices ?? "[]")[0] ?? [];
    return service ? { service: String(service), usd: Number(usd) } : null;
  }

  stop() {
    this.running?.abort();
    this.running = null;
    byId("go").textContent = text("paint.go");
  }

  /** Two pictures of elsewhere over one another, as the only ones of the grid. @param {Moment[]} both */
  pair(both) {
    const { grid } = this;
    grid.show(both.map(({ request, name }) => ({ request, name: name || request.prompt, file: request.prompt })), both.length);
    for (const [at, { blob, milliseconds: took }] of both.entries()) {
      grid.fill(grid.cells[at], blob, milliseconds(took));
      grid.choose(grid.cells[at]);
    }
    grid.slide();
  }

  /** @param {number} [took]  ms, once all is painted */
  count(took) {
    const painted = this.grid.painted.length;
    let words = text("paint.of", { painted, all: this.grid.cells.length });
    if (took) words = text("compare.took", { words, seconds: decimal(took / 1000, 1) });
    const { price } = this;
    if (took && price) words = text("compare.price", { words, service: price.service, price: dollars(price.usd * painted, 4) });
    this.say(words);
    this.grid.offer();
  }

  // Away -------------------------------------------------------------------------------------

  use() {
    const [{ request, blob }] = this.grid.chosen;
    this.dialog.close();
    this.lightning.recalled.show(request, blob);
    this.lightning.recalled.paint();
  }

  async save() {
    save(await contactSheet(this.grid.painted, this.grid.columns), "lightning-compare.png");
  }

  async saveZip() {
    save(await gridZip(this.grid.painted), "lightning-compare.zip");
  }

  /** @param {string} words */
  say(words, kind = "") {
    byId("says").textContent = words;
    byId("says").dataset.kind = kind;
  }
}
