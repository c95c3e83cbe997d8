// The timeline's menu: what can be done with the chosen picture, and with all of them.

import { text } from "./text.js";
import { EXPORTS } from "./timeline_exports.js";
import { set, write } from "./unchanged.js";

const OF_ENTRIES = /** @type {const} */ (["name", "pin", "remove", "clear"]); // where there are any

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`timeline-${name}`);

export class TimelineMenu {
  constructor() {
    const outside = (/** @type {Event} */ { target }) => !(/** @type {Element} */ (target)).closest?.("#timeline-menu, #timeline-more");
    for (const leaves of ["pointerdown", "focusin"]) {
      document.addEventListener(leaves, (event) => this.isOpen && outside(event) && this.open(false));
    }
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.isOpen && this.open(false, true));
  }

  get isOpen() {
    return !byId("menu").hidden;
  }

  /** @param {boolean} open */
  open(open, focus = false) {
    byId("menu").hidden = !open;
    this.rest();
    byId("more").setAttribute("aria-expanded", String(open));
    if (open) byId("name").focus();
    else if (focus) byId("more").focus();
  }

  /** @param {Moment | undefined} entry  the chosen one @param {number} count  of all */
  draw(entry, count) {
    const exports = /** @type {(keyof typeof EXPORTS)[]} */ (Object.keys(EXPORTS));
    for (const name of [...OF_ENTRIES, ...exports]) byId(name).disabled = !entry;
    byId("pair").disabled = count < 2;
    const name = entry?.name ?? "";
    if (document.activeElement !== byId("name") && byId("name").value !== name) byId("name").value = name;
    set(byId("name"), "placeholder", entry?.request.prompt ?? "");
    set(byId("pin"), "aria-pressed", String(Boolean(entry?.pinned)));
  }

  /** The button that asks once more no longer does. */
  rest() {
    write(byId("clear"), text("timeline.forget"));
  }

  /** @param {string} words */
  say(words) {
    write(byId("says"), words);
  }
}
