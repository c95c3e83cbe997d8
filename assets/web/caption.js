// The prompt on the wall: as large as its box allows, and of a very long one the end.

const SIZES = [14, 12, 10.5, 9.2, 8, 7, 6.1, 5.3, 4.6, 4, 3.5, 3]; // per cent of the window's mean side

export class Caption {
  /** @param box  holds a paragraph with the text's span; its size is not the text's */
  constructor(box) {
    this.box = box;
    this.text = box.querySelector("span");
    new ResizeObserver(() => this.fit()).observe(box);
  }

  /** @param prompt  null: nothing to say of it, the last one stays */
  write(prompt) {
    if (prompt === null || this.text.textContent === prompt) return;
    this.text.textContent = prompt;
    this.box.classList.toggle("empty", !prompt.trim());
    this.fit();
  }

  /** The largest size in which all of it fits; in the smallest its end is in view. */
  fit() {
    const { box } = this;
    if (!box.clientHeight) return;
    const mean = Math.sqrt(innerWidth * innerHeight) / 100;
    const room = box.clientHeight + 1;
    const fits = (size) => {
      box.style.fontSize = `${Math.max(14, size * mean * box.dataset.scale)}px`;
      return box.scrollHeight <= room && box.scrollWidth <= box.clientWidth + 1;
    };
    box.classList.toggle("overlong", !SIZES.some(fits));
    box.scrollTop = box.scrollHeight;
  }
}
