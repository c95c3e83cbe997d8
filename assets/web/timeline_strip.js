// The strip of the timeline: a small picture for each that is kept, and a slider through them.

import { text } from "./text.js";
import { set } from "./unchanged.js";

const strip = () => document.getElementById("timeline-strip");
const slider = () => document.getElementById("timeline-scrub");

export class TimelineStrip {
  /**
   * @param {(id: number) => void} show  called with the id of a picture that the slider passes
   * @param {(id: number) => void} take  called with the id of the one that is chosen
   */
  constructor(show, take) {
    /** @type {number[]} */
    this.ids = [];
    /** @type {number | null} */
    this.marked = null; // id
    /** @type {Map<number, string>} */
    this.words = new Map(); // id -> what it is called
    /** @type {Map<number, HTMLButtonElement>} */
    this.images = new Map(); // id -> its button
    strip().tabIndex = -1; // what scrolls would be a stop of the Tab key
    strip().addEventListener("click", ({ target }) => {
      const moment = target.closest(".moment");
      if (moment) take(Number(moment.dataset.id));
    });
    slider().addEventListener("input", ({ target }) => show(this.ids[Number(target.value)]));
    slider().addEventListener("change", ({ target }) => take(this.ids[Number(target.value)]));
  }

  /** Shows entries, the oldest first, one of them chosen. @param {Moment[]} entries @param {number | null} chosen */
  draw(entries, chosen) {
    const there = new Set(entries.map(({ id }) => id));
    for (const [id, button] of this.images) if (!there.has(id)) this.forget(id, button);
    for (const entry of entries) {
      const button = this.images.get(entry.id) ?? moment(entry);
      this.images.set(entry.id, button);
      const words = entry.name || entry.request.prompt;
      set(button, "title", words);
      set(button, "aria-label", words);
      button.classList.toggle("pinned", entry.pinned);
      if (!button.parentElement) strip().append(button); // ids ascend
    }
    this.ids = entries.map(({ id }) => id);
    this.words = new Map(entries.map(({ id, name, request }) => [id, name || request.prompt]));
    slider().max = String(Math.max(0, entries.length - 1));
    slider().disabled = entries.length < 2;
    document.getElementById("timeline").classList.toggle("empty", !entries.length);
    this.mark(chosen);
  }

  /** @param {number | null} chosen */
  mark(chosen) {
    const at = this.ids.findIndex((id) => id === chosen);
    if (chosen === this.marked && slider().value === String(at)) return;
    if (this.marked !== null) this.images.get(this.marked)?.removeAttribute("aria-current");
    this.marked = chosen;
    if (chosen === null || at < 0) return;
    slider().value = String(at);
    const place = { place: at + 1, all: this.ids.length, words: this.words.get(chosen) };
    slider().setAttribute("aria-valuetext", text("timeline.place", place));
    const button = /** @type {HTMLButtonElement} */ (this.images.get(chosen));
    button.setAttribute("aria-current", "true");
    requestAnimationFrame(() => reveal(button));
  }

  /** @param {number} id @param {HTMLButtonElement} button */
  forget(id, button) {
    URL.revokeObjectURL(button.querySelector("img").src);
    button.remove();
    this.images.delete(id);
  }
}

/** Scrolls the strip, and nothing else of the page. @param {HTMLElement} moment */
function reveal({ offsetLeft: left, offsetWidth: width }) {
  const box = strip();
  if (left < box.scrollLeft) box.scrollLeft = left;
  else box.scrollLeft = Math.max(box.scrollLeft, left + width - box.clientWidth);
}

/** @param {Moment} entry */
function moment({ id, thumb, request }) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "moment" });
  button.dataset.id = String(id);
  button.tabIndex = -1; // the slider reaches them all, in one stop
  const image = Object.assign(document.createElement("img"), { alt: "", loading: "lazy", decoding: "async" });
  image.src = URL.createObjectURL(thumb);
  image.style.setProperty("--shape", String(request.width / request.height)); // nothing moves when it is decoded
  button.append(image);
  return button;
}
