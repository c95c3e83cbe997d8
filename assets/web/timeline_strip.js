// The strip of the timeline: a small picture for each that is kept, and a slider through them.

import { text } from "./text.js";

const strip = () => document.getElementById("timeline-strip");
const slider = () => document.getElementById("timeline-scrub");

export class TimelineStrip {
  /**
   * @param show  called with the id of a picture that the slider passes
   * @param take  called with the id of the one that is chosen
   */
  constructor(show, take) {
    /** @type {number[]} */
    this.ids = [];
    this.words = new Map(); // id -> what it is called
    this.images = new Map(); // id -> its button
    strip().tabIndex = -1; // what scrolls would be a stop of the Tab key
    strip().addEventListener("click", ({ target }) => {
      const moment = target.closest(".moment");
      if (moment) take(Number(moment.dataset.id));
    });
    slider().addEventListener("input", ({ target }) => show(this.ids[target.value]));
    slider().addEventListener("change", ({ target }) => take(this.ids[target.value]));
  }

  /** Shows entries, the oldest first, one of them chosen. */
  draw(entries, chosen) {
    const there = new Set(entries.map(({ id }) => id));
    for (const [id, button] of this.images) if (!there.has(id)) this.forget(id, button);
    for (const entry of entries) {
      if (!this.images.has(entry.id)) this.images.set(entry.id, moment(entry));
      const button = this.images.get(entry.id);
      button.title = button.ariaLabel = entry.name || entry.request.prompt;
      button.classList.toggle("pinned", entry.pinned);
      if (!button.parentElement) strip().append(button); // ids ascend
    }
    this.ids = entries.map(({ id }) => id);
    this.words = new Map(entries.map(({ id, name, request }) => [id, name || request.prompt]));
    slider().max = Math.max(0, entries.length - 1);
    slider().disabled = entries.length < 2;
    document.getElementById("timeline").classList.toggle("empty", !entries.length);
    this.mark(chosen);
  }

  mark(chosen) {
    if (chosen === this.marked && slider().value === String(this.ids.indexOf(chosen))) return;
    this.images.get(this.marked)?.removeAttribute("aria-current");
    this.marked = chosen;
    const at = this.ids.indexOf(chosen);
    if (at < 0) return;
    slider().value = at;
    const place = { place: at + 1, all: this.ids.length, words: this.words.get(chosen) };
    slider().setAttribute("aria-valuetext", text("timeline.place", place));
    const button = this.images.get(chosen);
    button.setAttribute("aria-current", "true");
    requestAnimationFrame(() => reveal(button));
  }

  forget(id, button) {
    URL.revokeObjectURL(button.firstElementChild.src);
    button.remove();
    this.images.delete(id);
  }
}

/** Scrolls the strip, and nothing else of the page. */
function reveal({ offsetLeft: left, offsetWidth: width }) {
  const box = strip();
  if (left < box.scrollLeft) box.scrollLeft = left;
  else box.scrollLeft = Math.max(box.scrollLeft, left + width - box.clientWidth);
}

function moment({ id, thumb, request }) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "moment" });
  button.dataset.id = id;
  button.tabIndex = -1; // the slider reaches them all, in one stop
  const image = Object.assign(document.createElement("img"), { alt: "", loading: "lazy", decoding: "async" });
  image.src = URL.createObjectURL(thumb);
  image.style.aspectRatio = `${request.width} / ${request.height}`;
  button.append(image);
  return button;
}
