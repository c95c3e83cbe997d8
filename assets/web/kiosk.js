// A public screen: what one visitor did is gone before the next one comes, and nothing leads away.

import { fillIn } from "./text.js";

const COUNTDOWN = 10; // s, in which a touch keeps the page as it is
const LOOK = 250; // ms
const AGAIN = 5000; // ms after which it is tried again to begin anew
const FIELDS = "input, textarea, select";
// With Ctrl or Command these print, save, open, search or show something else.
const LEADING_AWAY = "defghjklnopstuw";
const KEYS_AWAY = ["F1", "F3", "F7", "F12", "ContextMenu", "BrowserSearch", "BrowserHome"];

export class Kiosk {
  /**
   * @param {import("./live.js").Lightning} lightning  the page's live loop
   * @param {import("./presence.js").Presence} presence  who knows whether somebody is there
   * @param {number} seconds  without anybody, after which a page that was used begins anew
   */
  constructor(lightning, presence, seconds) {
    this.lightning = lightning;
    this.presence = presence;
    this.seconds = seconds;
    this.home = location.href; // as whoever set it up has opened it
    this.tried = -Infinity;
    // That asks whether somebody is there.
    this.sign = Object.assign(document.createElement("div"), { id: "kiosk-sign", hidden: true });
    history.scrollRestoration = "manual";
    document.documentElement.classList.add("kiosk");
    this.build();
    lock();
    presence.onReturn(() => this.say(0));
    setInterval(() => this.look(), LOOK);
  }

  build() {
    this.sign.setAttribute("role", "alertdialog");
    this.sign.setAttribute("aria-labelledby", "kiosk-words");
    this.sign.innerHTML =
      '<div><p id="kiosk-words" data-text="kiosk.there"></p><output aria-hidden="true"></output>' +
      '<p data-text="kiosk.about"></p></div>';
    fillIn(this.sign);
    document.querySelector(".gradio-container").append(this.sign);
  }

  look() {
    if (!this.presence.used) return; // it is new
    const left = this.seconds - this.presence.away;
    if (left <= 0) this.beginAnew();
    else this.say(left <= Math.min(COUNTDOWN, this.seconds / 2) ? Math.ceil(left) : 0);
  }

  /** @param {number} seconds  left; 0: more than anybody needs to know */
  say(seconds) {
    this.sign.hidden = !seconds;
    const number = this.sign.querySelector("output");
    if (seconds && number.textContent !== String(seconds)) number.textContent = String(seconds);
  }

  async beginAnew() {
    if (performance.now() - this.tried < AGAIN) return;
    this.tried = performance.now();
    // Not into a browser's own page about a server that does not answer: nobody would leave that.
    const health = new URL("../healthz", import.meta.url);
    const there = await fetch(health, { cache: "no-store" }).then(({ ok }) => ok, () => false);
    if (!there || this.presence.away < this.seconds) return;
    await forget();
    location.replace(this.home);
  }
}

/** Drops all that pages may have kept in this browser; a login is the operator's, and stays. */
async function forget() {
  sessionStorage.clear();
  localStorage.clear();
  for (const name of (await globalThis.caches?.keys()) ?? []) await caches.delete(name);
  for (const { name } of (await indexedDB.databases?.()) ?? []) if (name) indexedDB.deleteDatabase(name);
}

/** Nothing can be marked, dragged, opened or dropped, nor does a key lead away. */
function lock() {
  /** @template {keyof WindowEventMap} Name @param {Name} name @param {(event: WindowEventMap[Name]) => unknown} unless */
  const never = (name, unless = () => false) =>
    addEventListener(name, (event) => {
      if (unless(event)) return;
      event.preventDefault();
      if (name !== "wheel") event.stopImmediatePropagation();
    }, { capture: true, passive: false });
  never("contextmenu");
  never("selectstart", ({ target }) => {
    const chosen = /** @type {HTMLElement} */ (target); // or a text within one
    return chosen.closest?.(FIELDS) || chosen.parentElement?.closest(FIELDS);
  });
  for (const type of /** @type {const} */ (["dragstart", "dragover", "drop"])) never(type);
  never("wheel", ({ ctrlKey }) => !ctrlKey); // which would enlarge the page for all who come after
  never("paste", ({ clipboardData }) => !clipboardData?.files.length);
  for (const type of /** @type {const} */ (["click", "auxclick"])) never(type, ({ target }) => !(/** @type {HTMLElement} */ (target).closest?.("a[href]")));
  never("keydown", ({ ctrlKey, metaKey, altKey, key }) => {
    const away = (ctrlKey || metaKey) && !altKey && (LEADING_AWAY.includes(key.toLowerCase()) || "+-0".includes(key));
    const back = altKey && ["ArrowLeft", "ArrowRight", "Home"].includes(key);
    return !away && !back && !KEYS_AWAY.includes(key);
  });
}
