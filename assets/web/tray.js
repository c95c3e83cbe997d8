// Pictures of the audience on the desk: those that wait, and those that were shown.

import { credit } from "./credit.js";
import { sure } from "./sure.js";
import { text } from "./text.js";

const byId = (name) => document.getElementById(`desk-${name}`);

export class Tray {
  /** @param act  takes a verb and an entry's number */
  constructor(act) {
    this.act = act;
    this.pictures = new Map(); // by entry
    this.items = new Map();
    for (const list of ["tray", "released"]) {
      byId(list).addEventListener("click", ({ target }) => this.pressed(target.closest("button")));
    }
  }

  /** A thumbnail has come, before its entry or after. */
  picture(entry, url) {
    this.pictures.set(entry, url);
    const item = this.items.get(entry);
    if (item) item.querySelector("img").src = url;
  }

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

  /** An entry's element, which stays the same as long as it is there: nothing jumps under a finger. */
  item({ entry, prompt, by, votes, shown, pinned }, released) {
    let item = this.items.get(entry);
    if (!item) {
      item = document.createElement("li");
      item.innerHTML =
        '<img alt=""><div><p dir="auto"></p><span class="who"></span></div><div class="desk-row">' +
        '<button type="button" data-verb="release"></button><button type="button" data-verb="pin"></button>' +
        '<button type="button" data-verb="skip"></button><button type="button" data-verb="ban"></button></div>';
      for (const each of item.querySelectorAll("button")) each.textContent = text(`tray.${each.dataset.verb}`);
      item.dataset.entry = entry;
      if (this.pictures.has(entry)) item.querySelector("img").src = this.pictures.get(entry);
      item.querySelector("p").textContent = prompt;
      this.items.set(entry, item);
    }
    const hearts = Object.assign(document.createElement("b"), { textContent: `♥ ${votes}` });
    item.querySelector(".who").replaceChildren(credit(by), ...(released ? [hearts] : []));
    item.classList.toggle("shown", shown);
    const button = (verb) => item.querySelector(`[data-verb="${verb}"]`);
    button("release").textContent = text(shown ? "tray.shown" : released ? "tray.again" : "tray.release");
    button("release").disabled = shown;
    button("skip").textContent = text(released ? "tray.off" : "tray.skip");
    const pin = item.querySelector('[data-verb$="pin"]');
    pin.dataset.verb = pinned ? "unpin" : "pin";
    pin.setAttribute("aria-pressed", String(pinned));
    for (const each of item.querySelectorAll("button")) each.title = text(`tray.does.${each.dataset.verb}`);
    return item;
  }

  pressed(button) {
    if (!button) return;
    const { verb } = button.dataset;
    if (verb === "ban" && !sure(button)) return;
    this.act(verb, Number(button.closest("li").dataset.entry));
  }
}

/** Gives a list these items; what is there already is left alone. */
function fill(list, items) {
  items.forEach((item, place) => {
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
  });
  while (list.children.length > items.length) list.lastChild.remove();
}
