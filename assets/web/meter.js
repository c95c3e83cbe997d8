// The usage meter: what finished pictures would have cost at the services that host SDXL-Lightning.

import { late } from "./late.js";
import { dollars } from "./numbers.js";
import { language } from "./text.js";
import { write } from "./unchanged.js";

export class Meter {
  /** @param {HTMLElement} box */
  constructor(box) {
    this.box = box;
    /** @type {[string, number][]} */
    this.prices = JSON.parse(box.dataset.prices ?? "[]"); // [service, US dollars a picture]
    this.pictures = 0; // of this tab
    this.tellLater = late(() => this.show("tab", this.pictures));
    this.show("tab", 0);
  }

  /** A frame has come; previews, drafts and what was remembered cost nothing. @param {FrameHeader} header */
  count({ final, draft, cached }) {
    if (!final || draft || cached) return;
    this.pictures += 1;
    this.tellLater();
  }

  /** @param which  "tab" or "server" @param {"tab" | "server"} which @param {number} pictures */
  show(which, pictures) {
    const [count, ...costs] = this.box.querySelectorAll(`[data-of="${which}"] td`);
    write(count, pictures.toLocaleString(language));
    costs.forEach((place, index) => write(place, cost(pictures * this.prices[index][1])));
  }
}

/** Of little also tenths of a cent, in which one picture is counted; of much no cents. @param {number} amount */
const cost = (amount) => dollars(amount, amount < 0.1 ? 3 : amount < 1000 ? 2 : 0);
