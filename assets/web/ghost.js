// The rest of a word behind the caret, quietly: Tab, the right arrow or End takes it, on a touch
// screen a tap does, and Escape hides it until the next change.

import { complete, remember } from "./completion.js";
import { COMPLETING } from "./keys.js";

const STANDS = 1000; // ms without a change after which a prompt counts as finished
const TOUCH = matchMedia("(pointer: coarse)");

export class Ghost {
  /**
   * @param {HTMLTextAreaElement} field  the prompt's
   * @param {(prompt: string) => void} write  puts a text into it
   */
  constructor(field, write) {
    this.field = field;
    this.write = write;
    /** @type {string[]} */
    this.words = []; // of the model that paints, the likeliest first
    /** @type {string[]} */
    this.history = []; // the visitor's own, of earlier prompts
    this.finished = ""; // the newest finished prompt; history once another is begun
    this.shown = "";
    this.composing = false;
    this.resting = false; // while the page plays by itself: that is nobody's history
    this.block = /** @type {HTMLElement} */ (field.closest("#prompt"));
    // Above the field, with the same text in it, so that both break and scroll alike.
    this.box = Object.assign(document.createElement("div"), { id: "ghost", hidden: true });
    this.box.setAttribute("aria-hidden", "true");
    this.box.innerHTML = "<div><span></span><b></b></div>";
    this.line = this.box.querySelector("div");
    this.before = this.box.querySelector("span");
    this.after = this.box.querySelector("b");
    this.block.append(this.box);
    field.setAttribute("aria-describedby", "prompt-note prompt-hint");
    this.listen();
  }

  listen() {
    const { field, after } = this;
    field.addEventListener("input", () => this.follow());
    field.addEventListener("keydown", (event) => this.press(event));
    field.addEventListener("blur", () => this.show(""));
    field.addEventListener("scroll", () => this.scroll());
    field.addEventListener("compositionstart", () => {
      // Touch keyboards compose each plain word too; there only a tap takes what is shown.
      this.composing = !TOUCH.matches;
    });
    field.addEventListener("compositionend", () => {
      this.composing = false;
      this.follow();
    });
    document.addEventListener("selectionchange", () => {
      if (this.shown && !this.atEnd) this.show("");
    });
    after.addEventListener("mousedown", (event) => event.preventDefault()); // the keyboard stays
    after.addEventListener("click", () => this.take());
  }

  get atEnd() {
    return this.field.selectionStart === this.field.value.length;
  }

  /** The rest of the word being typed; "" where none is likely. */
  get rest() {
    if (this.composing || !this.atEnd) return "";
    return complete(this.field.value, this.words, this.history);
  }

  /** The text has changed. */
  follow() {
    if (this.resting) return;
    this.show(document.activeElement === this.field ? this.rest : "");
    const { value } = this.field;
    if (!goesOn(this.finished, value)) {
      this.history = remember(this.finished, this.history);
      this.finished = "";
    }
    clearTimeout(this.standing);
    this.standing = setTimeout(() => this.stand(), STANDS);
  }

  /** The text is finished; what is left of a longer one that is being deleted is not. */
  stand() {
    if (!this.finished.startsWith(this.field.value)) this.finished = this.field.value;
  }

  /** Completes with none of the visitor's own words so far. */
  forget() {
    clearTimeout(this.standing);
    this.history = [];
    this.finished = "";
    this.show("");
  }

  /** @param {string} rest */
  show(rest) {
    if (rest || this.shown) {
      this.before.textContent = rest && this.field.value;
      this.after.textContent = rest;
      this.box.hidden = !rest;
    }
    this.shown = rest;
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const { key, isComposing, shiftKey, ctrlKey, altKey, metaKey } = event;
    if (!this.shown || isComposing || shiftKey || ctrlKey || altKey || metaKey) return;
    if (key === "Escape") this.show("");
    else if (COMPLETING.includes(key) && this.atEnd) this.take();
    else return;
    event.preventDefault();
    event.stopPropagation(); // one key does one thing
  }

  take() {
    this.write(this.field.value + this.shown);
    this.reveal();
  }

  /** Follows the field; a line that is full leaves room for the rest of a word. */
  scroll() {
    const { scrollLeft, scrollTop } = this.field;
    this.line.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
    const full = scrollLeft > 0;
    if (full === this.block.classList.contains("full")) return;
    this.block.classList.toggle("full", full);
    if (full && this.atEnd) this.reveal();
  }

  reveal() {
    this.field.scrollTo(this.field.scrollWidth, this.field.scrollHeight);
  }
}

/**
 * Whether one text becomes the other by typing on, or by deleting from its end.
 * @param {string} one
 * @param {string} other
 */
function goesOn(one, other) {
  return other.startsWith(one) || one.startsWith(other);
}
