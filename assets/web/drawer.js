// The drawer beside the picture: closed for whoever comes first, and as it was left for whoever comes back.

import { keep, kept } from "./kept.js";
import { listed, text } from "./text.js";
import { write } from "./unchanged.js";

const KEPT = "lightning-drawer"; // "open" or "closed"

export class Drawer {
  constructor() {
    this.button = document.getElementById("drawer-open");
    this.says = document.getElementById("drawer-says");
    this.box = document.getElementById("controls");
    this.button.addEventListener("click", () => {
      this.open(!this.isOpen);
      keep(KEPT, this.isOpen ? "open" : "closed");
    });
    this.open(kept(KEPT) === "open");
  }

  get isOpen() {
    return this.box.classList.contains("drawn");
  }

  /** @param {boolean} open */
  open(open) {
    this.box.classList.toggle("drawn", open);
    this.button.setAttribute("aria-expanded", String(open));
  }

  /** Where something in it is wrong, it is opened, and not remembered so. @param {Element} element */
  reveal(element) {
    if (element.closest("#drawer")) this.open(true);
  }

  /** Says what in it has an effect on a request, so that nothing works unseen. @param {Asked} request */
  tell({ guidance_scale: guidance, negative_prompt: without }) {
    const acts = guidance > 1;
    write(this.says, listed([acts && text("drawer.guidance", { value: guidance }), acts && without && text("drawer.without", { words: without })]));
  }
}
