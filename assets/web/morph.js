// Morphs: pictures on the way from what is asked for to another prompt or seed, to scrub through.

import { save } from "./files.js";
import { animated } from "./film.js";
import { percent } from "./numbers.js";
import { pictureOf } from "./picture_request.js";
import { isNamed, wordsOf } from "./problems.js";
import { said } from "./said.js";
import { text } from "./text.js";

const AT_ONCE = 2; // pictures; what is typed meanwhile takes turns with them
/**
 * One of the strip.
 * @typedef {{ request: Asked, at: number, button: HTMLButtonElement, image: HTMLImageElement, blob: Blob | null }} Cell
 */

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`morph-${name}`);
/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} kind
 * @param {Partial<HTMLElementTagNameMap[Tag]>} fields
 * @returns {HTMLElementTagNameMap[Tag]}
 */
const element = (kind, fields) => Object.assign(document.createElement(kind), fields);

/**
 * The requests of a strip, from its beginning to its end.
 * @param {Asked} base
 * @param {string} kind
 * @param {string | number} to
 * @param {number} count
 * @returns {Asked[]}
 */
export function morphOf(base, kind, to, count) {
  const { variation_seed, variation_strength, morph_prompt, morph_strength, ...plain } = base;
  const way = (/** @type {number} */ share) => (kind === "seed" ? { variation_seed: to, variation_strength: share } : { morph_prompt: to, morph_strength: share });
  return Array.from({ length: count }, (_, at) => {
    const share = Number((at / (count - 1)).toFixed(4));
    return share ? { ...plain, ...way(share) } : plain;
  });
}

/**
 * What is written as the end: a prompt, or a seed. @throws Error in words for the visitor
 * @param {string} kind
 * @param {string} written
 * @param {number} maxSeed
 */
export function endOf(kind, written, maxSeed) {
  const line = written.trim().replace(/\s+/g, " ");
  if (kind === "prompt" && !line) throw new Error(text("morph.no_prompt"));
  if (kind === "prompt") return line;
  const seed = /^\d{1,10}$/.test(line) ? Number(line) : NaN;
  if (!(seed <= maxSeed)) throw new Error(text("morph.no_seed", { most: maxSeed }));
  return seed;
}

export class Morph {
  /** @param {import("./live.js").Lightning} lightning  the page's live loop */
  constructor(lightning) {
    this.lightning = lightning;
    this.dialog = document.getElementById("morph");
    /** @type {Asked} what it begins with */
    this.base = lightning.request;
    this.at = 0; // the one that is shown large
    /** @type {Cell[]} */
    this.cells = [];
    /** @type {AbortController | null} */
    this.running = null; // what is being painted, until it is aborted
    this.exporting = false; // whether a file is being made
    this.wire();
  }

  wire() {
    /** @type {Record<string, () => unknown>} */
    const actions = {
      "morph-close": () => this.dialog.close(),
      "morph-use": () => this.use(),
      "morph-film": () => this.export("mp4"),
      "morph-gif": () => this.export("gif"),
    };
    this.dialog.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button?.dataset.at) this.show(Number(button.dataset.at));
      else if (button) actions[button.id]?.();
    });
    this.dialog.addEventListener("close", () => this.stop());
    byId("form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running) this.stop();
      else this.go();
    });
    byId("kind").addEventListener("change", () => this.offer());
    byId("at").addEventListener("input", ({ target }) => this.show(Number(target.value)));
  }

  get painted() {
    return this.cells.flatMap(({ blob, ...cell }) => (blob ? [{ ...cell, blob }] : []));
  }

  open() {
    const { request, current } = this.lightning;
    this.base = { ...request, seed: request.seed ?? current?.seed ?? 0 };
    this.clear([]);
    this.offer();
    this.say("");
    this.dialog.showModal();
    byId("to").focus();
  }

  offer() {
    const seeds = byId("kind").value === "seed";
    byId("to").value = seeds ? String(((this.base.seed ?? 0) + 1) % (this.lightning.maxSeed + 1)) : `${this.base.prompt} at night`;
    byId("to").inputMode = seeds ? "numeric" : "text";
  }

  async go() {
    let requests;
    try {
      const kind = byId("kind").value;
      const to = endOf(kind, byId("to").value, this.lightning.maxSeed);
      requests = morphOf(this.base, kind, to, Number(byId("count").value));
    } catch (problem) {
      this.say(wordsOf(problem), "problem");
      return;
    }
    this.clear(requests);
    const control = (this.running = new AbortController());
    byId("go").textContent = text("paint.stop");
    const waiting = this.cells.values();
    const work = async () => {
      for (const cell of waiting) {
        if (control.signal.aborted) return;
        await this.paint(cell, control.signal);
        if (control.signal.aborted) return; // and why is said
        this.say(text("paint.of", { painted: this.painted.length, all: this.cells.length }));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (this.running === control) this.stop();
  }

  /** @param {Cell} cell @param {AbortSignal} signal */
  async paint(cell, signal) {
    try {
      cell.blob = (await pictureOf(cell.request, signal)).blob;
      cell.image.src = URL.createObjectURL(cell.blob);
      if (cell.at === this.at || this.painted.length === 1) this.show(cell.at);
    } catch (problem) {
      if (isNamed(problem, "AbortError")) return;
      this.stop();
      this.say(wordsOf(problem), "problem");
    }
  }

  stop() {
    this.running?.abort();
    this.running = null;
    byId("go").textContent = text("paint.go");
    this.ready();
  }

  /** @param {Asked[]} requests */
  clear(requests) {
    this.stop();
    for (const { image } of this.cells) URL.revokeObjectURL(image.src);
    this.cells = requests.map((request, at) => {
      const share = request.morph_strength ?? request.variation_strength ?? 0;
      const button = element("button", { type: "button", ariaLabel: percent(share) });
      const image = element("img", { alt: "" });
      image.style.aspectRatio = `${request.width} / ${request.height}`;
      button.dataset.at = String(at);
      button.append(image);
      return { request, at, button, image, blob: null };
    });
    byId("strip").replaceChildren(...this.cells.map(({ button }) => button));
    this.at = 0;
    byId("at").max = String(Math.max(1, requests.length - 1));
    byId("at").value = "0";
    byId("picture").hidden = true;
    this.ready();
  }

  ready() {
    const some = this.painted.length > 0;
    byId("at").disabled = byId("use").disabled = !some;
    byId("gif").disabled = this.painted.length < 2 || Boolean(this.running) || this.exporting;
    byId("film").disabled = byId("gif").disabled;
  }

  /** One of the strip, large; while it is still to come, what was shown stays. @param {number} at */
  show(at) {
    const cell = this.cells[at];
    if (!cell) return;
    this.at = at;
    byId("at").value = String(at);
    const share = cell.request.morph_strength ?? cell.request.variation_strength ?? 0;
    byId("at").setAttribute("aria-valuetext", percent(share));
    for (const { button } of this.cells) button.setAttribute("aria-pressed", String(button === cell.button));
    if (cell.blob) Object.assign(byId("picture"), { src: cell.image.src, hidden: false });
    this.ready();
  }

  use() {
    const { request, blob } = this.cells[this.at];
    this.dialog.close();
    this.lightning.recalled.show(request, blob);
    this.lightning.recalled.paint();
  }

  /** @param {"mp4" | "gif"} format */
  async export(format) {
    const name = `lightning-morph.${format}`;
    this.say(text("file.making", { name }));
    this.exporting = true;
    this.ready();
    try {
      save(await animated(this.painted, format), name);
      this.say(text("live.saved", { name }));
    } catch (problem) {
      this.say(wordsOf(problem), "problem");
    }
    this.exporting = false;
    this.ready();
  }

  /** @param {string} words */
  say(words, kind = "") {
    byId("says").textContent = words;
    byId("says").dataset.kind = kind;
  }
}
