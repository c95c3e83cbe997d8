// The prompt on the wall: as large as its box allows, and of a very long one the end.

const SIZES = [9.5, 8.4, 7.4, 6.5, 5.7, 5, 4.4, 3.8, 3.3, 2.9]; // per cent of the frame's mean side
const KEEP_WORDS = 7; // of these sizes in which no word is broken

export class Caption {
  /**
   * @param {HTMLElement} box  of a size of its own, holds a paragraph with the text's span
   * @param frame  what sizes are a share of; @param scale  of all of them; @param least  px
   */
  constructor(box, { frame = document.documentElement, scale = 1, least = 14 } = {}) {
    this.box = box;
    this.frame = frame;
    this.scale = scale;
    this.least = least;
    this.paragraph = box.querySelector("p");
    this.text = box.querySelector("span");
    new ResizeObserver(() => this.fit()).observe(box);
  }

  /** @param {string | null} prompt  null: nothing to say of it, the last one stays */
  write(prompt) {
    if (prompt === null || this.text.textContent === prompt) return;
    this.text.textContent = prompt;
    this.box.classList.toggle("empty", !prompt.trim());
    this.fit();
  }

  /** The largest size in which all of it fits; in the smallest its end is in view. */
  fit() {
    const { box, paragraph, frame } = this;
    if (!box.clientHeight) return;
    // An invitation in the corner takes some of it, as padding.
    const { paddingTop, paddingBottom } = getComputedStyle(box);
    const room = box.clientHeight - parseFloat(paddingTop) - parseFloat(paddingBottom);
    const percent = (this.scale * Math.sqrt(frame.clientWidth * frame.clientHeight)) / 100;
    const fits = (/** @type {number} */ size) => {
      box.style.fontSize = `${Math.max(this.least, size * percent)}px`;
      return paragraph.offsetHeight <= room && paragraph.scrollWidth <= paragraph.clientWidth;
    };
    // Rather smaller than a word taken apart; but there are words without end.
    box.classList.remove("broken");
    const whole = SIZES.slice(0, KEEP_WORDS).some(fits);
    box.classList.toggle("broken", !whole);
    box.classList.toggle("overlong", !whole && !SIZES.some(fits));
    box.scrollTop = box.scrollHeight;
  }
}
