// Compares: one request with one or two of its settings varied, as a grid that fills as it is painted.

import { axes, cellsOf } from "./compare_axes.js";
import { gridZip } from "./compare_zip.js";
import { wireZoom } from "./compare_zoom.js";
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

/**
 * A cell on the page.
 * @typedef {import("./compare_axes.js").Cell & {
 *   button: HTMLButtonElement, image: HTMLImageElement, time: HTMLElement, blob: Blob | null,
 * }} Shown
 */

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(`compare-${name}`);
/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} kind
 * @param {Partial<HTMLElementTagNameMap[Tag]>} fields
 * @returns {HTMLElementTagNameMap[Tag]}
 */
const element = (kind, fields) => Object.assign(document.createElement(kind), fields);

export class Compare {
  /** @param {import("./live.js").Lightning} lightning  the page's live loop */
  constructor(lightning) {
    this.lightning = lightning;
    this.dialog = document.getElementById("compare");
    /** @type {Asked} what is varied */
    this.base = lightning.request;
    this.columns = 1;
    /** @type {Record<string, import("./compare_axes.js").Axis>} by name, since it was opened */
    this.axes = {};
    /** @type {Shown[]} */
    this.cells = [];
    /** @type {Shown[]} */
    this.chosen = []; // at most two cells
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
      slide: () => this.slide(),
      save: () => this.save(),
      zip: () => this.saveZip(),
      close: () => this.dialog.close(),
    };
    this.dialog.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button?.classList.contains("cell")) this.choose(this.cells[Number(button.dataset.at)]);
      else if (button) actions[button.id.replace("compare-", "")]?.();
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
    wireZoom(byId("grid"), byId("zoom"));
    byId("split").addEventListener("input", ({ target }) => {
      byId("pair").style.setProperty("--split", `${target.value}%`);
    });
  }

  open() {
    const { lightning } = this;
    this.base = { ...lightning.request, seed: lightning.request.seed ?? lightning.current?.seed ?? 0 };
    this.offerAxes();
    byId("prompt").textContent = this.base.prompt;
    this.show([]);
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
      const options = Object.entries(this.axes).map(([value, { title }]) => element("option", { value, textContent: title }));
      if (side === "down") options.unshift(element("option", { value: NONE, textContent: text("compare.nothing") }));
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
    this.columns = across.values.length;
    this.show(cells);
    const control = (this.running = new AbortController());
    byId("go").textContent = text("paint.stop");
    const begun = performance.now();
    const waiting = this.cells.values();
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

  /** @param {Shown} cell @param {AbortSignal} signal */
  async paint(cell, signal) {
    const { weights = this.weights[0], ...request } = cell.request;
    const where = weights === this.weights[0] ? undefined : "../compared/picture";
    try {
      const { blob, took } = await pictureOf(request, signal, where);
      cell.blob = blob;
      cell.image.src = URL.createObjectURL(blob);
      const { price } = this;
      cell.time.textContent = [milliseconds(took), price && dollars(price.usd, 4)].filter(Boolean).join(" · ");
    } catch (problem) {
      if (isNamed(problem, "AbortError")) return;
      cell.time.textContent = wordsOf(problem);
      cell.button.classList.add("failed");
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

  /** The cells that have their pictures. */
  get painted() {
    return this.cells.flatMap(({ blob, ...cell }) => (blob ? [{ ...cell, blob }] : []));
  }

  /** Two pictures of elsewhere over one another, as the only ones of the grid. @param {Moment[]} both */
  pair(both) {
    this.columns = both.length;
    this.show(both.map(({ request, name }) => ({ request, name: name || request.prompt, file: request.prompt })));
    for (const [at, { blob, milliseconds: took }] of both.entries()) {
      const cell = this.cells[at];
      cell.blob = blob;
      cell.image.src = URL.createObjectURL(blob);
      cell.time.textContent = milliseconds(took);
      this.choose(cell);
    }
    this.slide();
  }

  // The grid ---------------------------------------------------------------------------------

  /** @param {import("./compare_axes.js").Cell[]} cells */
  show(cells) {
    for (const { image } of this.cells) URL.revokeObjectURL(image.src);
    this.cells = cells.map((cell, at) => {
      const button = element("button", { type: "button", className: "cell" });
      const image = element("img", { alt: "" });
      const time = element("span", { className: "time" });
      const frame = element("span", { className: "frame" });
      frame.append(image);
      frame.style.aspectRatio = `${cell.request.width} / ${cell.request.height}`;
      button.dataset.at = String(at);
      button.setAttribute("aria-pressed", "false");
      button.append(frame, element("bdi", { textContent: cell.name }), time);
      return { ...cell, button, image, time, blob: null };
    });
    byId("grid").style.setProperty("--columns", String(this.columns));
    byId("grid").classList.toggle("one-axis", this.columns === cells.length);
    byId("grid").replaceChildren(...this.cells.map(({ button }) => button));
    this.chosen = [];
    this.choose(null);
  }

  /** @param {number} [took]  ms, once all is painted */
  count(took) {
    const painted = this.cells.filter(({ blob }) => blob).length;
    let words = text("paint.of", { painted, all: this.cells.length });
    if (took) words = text("compare.took", { words, seconds: decimal(took / 1000, 1) });
    const { price } = this;
    if (took && price) words = text("compare.price", { words, service: price.service, price: dollars(price.usd * painted, 4) });
    this.say(words);
    byId("save").disabled = byId("zip").disabled = !painted;
  }

  /** Marks one more cell, or no more; of three the first is let go. @param {Shown | null} cell */
  choose(cell) {
    if (cell) {
      const others = this.chosen.filter((each) => each !== cell);
      this.chosen = others.length < this.chosen.length ? others : [...others, cell].slice(-2);
    }
    for (const each of this.cells) each.button.setAttribute("aria-pressed", String(this.chosen.includes(each)));
    byId("use").disabled = this.chosen.length !== 1;
    byId("slide").disabled = this.chosen.length !== 2 || !this.chosen.every(({ blob }) => blob);
    byId("save").disabled = byId("zip").disabled = !this.cells.some(({ blob }) => blob);
    byId("slide").setAttribute("aria-pressed", "false");
    byId("pair").hidden = true;
    byId("grid").hidden = false;
  }

  /** Two pictures over one another, with a line to push between them; or the grid again. */
  slide() {
    if (!byId("pair").hidden) {
      this.choose(null);
      return;
    }
    byId("slide").setAttribute("aria-pressed", "true");
    const [first, second] = this.chosen;
    byId("first").src = first.image.src;
    byId("second").src = second.image.src;
    byId("pair-words").textContent = `${first.name} | ${second.name}`;
    byId("grid").hidden = true;
    byId("pair").hidden = false;
    byId("split").focus();
  }

  // Away -------------------------------------------------------------------------------------

  use() {
    const [{ request, blob }] = this.chosen;
    this.dialog.close();
    this.lightning.recalled.show(request, blob);
    this.lightning.recalled.paint();
  }

  async save() {
    save(await contactSheet(this.painted, this.columns), "lightning-compare.png");
  }

  async saveZip() {
    save(await gridZip(this.painted), "lightning-compare.zip");
  }

  /** @param {string} words */
  say(words, kind = "") {
    byId("says").textContent = words;
    byId("says").dataset.kind = kind;
  }
}
