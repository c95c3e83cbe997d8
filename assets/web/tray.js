// Pictures of the audience on the desk: those that wait, and those that were shown.

import { credit } from "./credit.js";
import { sure } from "./sure.js";
import { text } from "./text.js";

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`desk-${name}`);

export class Tray {
  /** @param {(verb: string, entry: number) => void} act  takes a verb and an entry's number */
  constructor(act) {
    this.act = act;
    /** @type {Map<number, string>} */
    this.pictures = new Map(); // by entry
    /** @type {Map<number, HTMLLIElement>} */
    this.items = new Map();
    for (const list of ["tray", "released"]) {
      byId(list).addEventListener("click", ({ target }) => this.pressed(target.closest("button")));
    }
  }

  /** A thumbnail has come, before its entry or after. @param {number} entry @param {string} url */
  picture(entry, url) {
    this.pictures.set(entry, url);
    const item = this.items.get(entry);
    if (item) item.querySelector("img").src = url;
  }

  /** @param {TrayEntry[]} waiting @param {TrayEntry[]} released */
  show(waiting, released) {
    const wanted = new Set([...waiting, ...released].map((each) => each.entry));
    for (const entry of [...this.items.keys()]) if (!wanted.has(entry)) this.items.delete(entry);
    const oldest = Math.min(...wanted); // thumbnails of newer ones may have come before these
    for (const entry of [...this.pictures.keys()]) {
      if (!wanted.has(entry) && entry < oldest) this.pictures.delete(entry);
    }
    fill(byId("tray"), waiting.map((each) => this.item(each, false)));
    fill(byId("released"), released.map((each) => this.item(each, true)));
    byId("tray-empty").hidden = waiting.length > 0;
  }

  /**
   * An entry's element, which stays the same as long as it is there: nothing jumps under a finger.
   * @param {TrayEntry} one
   * @param {boolean} released
   */
  item({ entry, prompt, by, votes, shown, pinned }, released) {
    let item = this.items.get(entry);
    if (!item) {
      item = document.createElement("li");
      item.innerHTML =
        '<img alt=""><div><p dir="auto"></p><span class="who"></span></div><div class="desk-row">' +
        '<button type="button" data-verb="release"></button><button type="button" data-verb="pin"></button>' +
        '<button type="button" data-verb="skip"></button><button type="button" data-verb="ban"></button></div>';
      for (const each of item.querySelectorAll("button")) each.textContent = text(`tray.${each.dataset.verb}`);
      item.dataset.entry = String(entry);
      const url = this.pictures.get(entry);
      if (url) item.querySelector("img").src = url;
      item.querySelector("p").textContent = prompt;
      this.items.set(entry, item);
    }
    const hearts = Object.assign(document.createElement("b"), { textContent: `♥ ${votes}` });
    item.querySelector(".who").replaceChildren(credit(by), ...(released ? [hearts] : []));
    item.classList.toggle("shown", shown);
    const button = (/** @type {string} */ verb) => item.querySelector(`button[data-verb="${verb}"]`);
    button("release").textContent = text(shown ? "tray.shown" : released ? "tray.again" : "tray.release");
    button("release").disabled = shown;
    button("skip").textContent = text(released ? "tray.off" : "tray.skip");
    const pin = item.querySelector('[data-verb$="pin"]');
    pin.dataset.verb = pinned ? "unpin" : "pin";
    pin.setAttribute("aria-pressed", String(pinned));
    for (const each of item.querySelectorAll("button")) each.title = text(`tray.does.${each.dataset.verb}`);
    return item;
  }

  /** @param {HTMLButtonElement | null} button */
  pressed(button) {
    if (!button) return;
    const { verb = "" } = button.dataset;
    if (verb === "ban" && !sure(button)) return;
    this.act(verb, Number(button.closest("li")?.dataset.entry));
  }
}

/**
 * Gives a list these items; what is there already is left alone.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} items
 */
function fill(list, items) {
  items.forEach((item, place) => {
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
  });
  while (list.children.length > items.length) list.lastChild.remove();
}
