// The grid of a comparison: cells that get their pictures, of which one or two are chosen; and two of
// them over one another, with a line to push between them.

import { wireZoom } from "./compare_zoom.js";

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

export class CompareGrid {
  constructor() {
    this.columns = 1;
    /** @type {Shown[]} */
    this.cells = [];
    /** @type {Shown[]} */
    this.chosen = []; // at most two cells
    byId("grid").addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) this.choose(this.cells[Number(button.dataset.at)]);
    });
    byId("split").addEventListener("input", ({ target }) => {
      byId("pair").style.setProperty("--split", `${target.value}%`);
    });
    wireZoom(byId("grid"), byId("zoom"));
  }

  /** @param {import("./compare_axes.js").Cell[]} cells @param {number} columns */
  show(cells, columns) {
    for (const { image } of this.cells) URL.revokeObjectURL(image.src);
    this.columns = columns;
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
    byId("grid").style.setProperty("--columns", String(columns));
    byId("grid").classList.toggle("one-axis", columns === cells.length);
    byId("grid").replaceChildren(...this.cells.map(({ button }) => button));
    this.chosen = [];
    this.choose(null);
  }

  /** Gives a cell its picture. @param {Shown} cell @param {Blob} blob @param {string} words  below it */
  fill(cell, blob, words) {
    cell.blob = blob;
    cell.image.src = URL.createObjectURL(blob);
    cell.time.textContent = words;
  }

  /** Says why a cell has none. @param {Shown} cell @param {string} words */
  fail(cell, words) {
    cell.time.textContent = words;
    cell.button.classList.add("failed");
  }

  /** The cells that have their pictures. */
  get painted() {
    return this.cells.flatMap(({ blob, ...cell }) => (blob ? [{ ...cell, blob }] : []));
  }

  /** Marks one more cell, or no more; of three the first is let go. @param {Shown | null} cell */
  choose(cell) {
    if (cell) {
      const others = this.chosen.filter((each) => each !== cell);
      this.chosen = others.length < this.chosen.length ? others : [...others, cell].slice(-2);
    }
    for (const each of this.cells) each.button.setAttribute("aria-pressed", String(this.chosen.includes(each)));
    byId("use").disabled = this.chosen.length !== 1;
    this.offer();
    byId("slide").setAttribute("aria-pressed", "false");
    byId("pair").hidden = true;
    byId("grid").hidden = false;
  }

  /** What can be done as soon as there are pictures. */
  offer() {
    byId("slide").disabled = this.chosen.length !== 2 || !this.chosen.every(({ blob }) => blob);
    byId("save").disabled = byId("zip").disabled = !this.cells.some(({ blob }) => blob);
  }

  /** The two that are chosen over one another; or the grid again. */
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
}
