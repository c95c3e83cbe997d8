// What keys do on the page: one list, by which they are bound, and which `?` shows.

import { keep, kept } from "./kept.js";
import { text } from "./text.js";

const KEPT = "lightning-single-keys"; // "no": letters alone are no commands in this browser
/** @type {Record<string, string>} */
const NAMES = { ArrowLeft: "←", ArrowRight: "→", PageDown: "Page ↓", PageUp: "Page ↑", Escape: "Esc" };

/** What takes the rest of a word that is shown behind the caret. */
export const COMPLETING = ["Tab", "ArrowRight", "End"];
/** What a presenter's remote sends, and how many lines of the script that is. @type {Record<string, number>} */
export const PAGES = { PageDown: 1, PageUp: -1 };
/**
 * What letters do for a presenter; with Alt, which writes other letters on some keyboards, by place.
 * @type {Record<string, "blank" | "frozen">}
 */
export const DESK_LETTERS = { b: "blank", ".": "blank", KeyB: "blank", Period: "blank", f: "frozen", KeyF: "frozen" };

/** @param {string} action */
const desk = (action) => Object.keys(DESK_LETTERS).filter((key) => DESK_LETTERS[key] === action && key.length === 1);

/**
 * @typedef {object} Key
 * @property {string[]} keys   as `KeyboardEvent.key` has them
 * @property {string} does     the key of its text
 * @property {string} [press]  the id of the button that they press
 * @property {string} [focus]  a selector of the field that they go to
 * @property {string} [of]     a selector of what has to be on the page; else what is pressed
 */

/** @type {{ title: string, single?: boolean, keys: Key[] }[]} */
export const GROUPS = [
  {
    title: "keys.single",
    single: true,
    keys: [
      { keys: ["?"], does: "keys.help", press: "keys-open" },
      { keys: ["/"], does: "keys.prompt", focus: "#prompt textarea" },
      { keys: ["p"], does: "keys.pause", press: "pause" },
      { keys: ["r"], does: "keys.seed", press: "dice" },
      { keys: ["l"], does: "keys.lock", press: "seed-lock" },
      { keys: ["s"], does: "keys.save", press: "download" },
      { keys: ["k"], does: "keys.link", press: "link" },
      { keys: ["c"], does: "keys.compare", press: "compare-open" },
      { keys: ["q"], does: "keys.batch", press: "batch-open" },
      { keys: ["o"], does: "keys.from_picture", press: "from-picture" },
      { keys: ["h"], does: "keys.history", press: "prompt-history-open" },
      { keys: ["w"], does: "keys.tokens", press: "tokens" },
      { keys: ["v"], does: "keys.morph", press: "morph-open" },
      { keys: ["m"], does: "keys.more", press: "drawer-open" },
      { keys: ["t"], does: "keys.times", press: "times" },
      { keys: ["y"], does: "keys.play", press: "timeline-play" },
      { keys: ["n"], does: "keys.timeline", press: "timeline-more" },
    ],
  },
  {
    title: "keys.in_prompt",
    keys: [
      { keys: COMPLETING, does: "keys.complete", of: "#prompt" },
      { keys: ["Escape"], does: "keys.hide", of: "#prompt" },
      { keys: ["Enter"], does: "keys.enter", of: "#prompt" },
    ],
  },
  {
    title: "keys.elsewhere",
    keys: [
      { keys: ["ArrowLeft", "ArrowRight"], does: "keys.scrub", of: "#timeline" },
      { keys: ["ArrowLeft", "ArrowRight"], does: "keys.choose", of: "#steps" },
      { keys: ["Escape"], does: "keys.escape", of: "#waterfall" },
    ],
  },
  {
    title: "keys.on_desk",
    keys: [
      { keys: Object.keys(PAGES), does: "keys.lines", of: "#desk" },
      { keys: desk("blank"), does: "keys.blank", of: "#desk" },
      { keys: desk("frozen"), does: "keys.freeze", of: "#desk" },
    ],
  },
];

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} kind
 * @param {Partial<HTMLElementTagNameMap[Tag]>} fields
 * @returns {HTMLElementTagNameMap[Tag]}
 */
const element = (kind, fields = {}) => Object.assign(document.createElement(kind), fields);
/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);

/** Whether what has the cursor takes letters. @param {EventTarget | null} target */
export function writes(target) {
  const kinds = ["checkbox", "radio", "button", "range", "submit"];
  const element = /** @type {HTMLInputElement} */ (target); // or the document, which matches nothing
  return element.matches?.("textarea, select, input, [contenteditable]") && !kinds.includes(element.type);
}

/**
 * Whether a key has anything to do on this page.
 * @param {Key} key
 */
const acts = ({ of, press, focus }) => Boolean(document.querySelector(of ?? focus ?? `#${press}`));

export class Keys {
  constructor() {
    this.dialog = byId("keys");
    byId("keys-open").addEventListener("click", () => this.open());
    byId("keys-close").addEventListener("click", () => this.dialog.close());
    byId("keys-single").addEventListener("change", ({ target }) => keep(KEPT, target.checked ? "yes" : "no"));
    document.addEventListener("keydown", (event) => this.key(event));
  }

  /** Whether letters alone are commands. */
  get single() {
    return kept(KEPT) !== "no";
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { key, target, defaultPrevented, repeat, ctrlKey, altKey, metaKey, isComposing } = event;
    if (defaultPrevented || repeat || isComposing || ctrlKey || altKey || metaKey || writes(target)) return;
    if (document.querySelector("dialog[open]")) return;
    const bound = GROUPS.filter(({ single }) => single).flatMap(({ keys }) => keys);
    const found = bound.find(({ keys }) => keys.includes(key.toLowerCase()));
    if (!found || !acts(found) || (!this.single && key !== "?")) return;
    event.preventDefault();
    if (found.focus) document.querySelector(found.focus).focus();
    else if (found.press) pressed(found.press).click();
  }

  open() {
    const groups = GROUPS.map(({ title, keys }) => ({ title, keys: keys.filter(acts) }));
    const shown = groups.filter(({ keys }) => keys.length).map(({ title, keys }) => {
      const list = element("dl");
      for (const { keys: names, does } of keys) {
        const term = element("dt");
        term.append(...names.map((name) => element("kbd", { textContent: NAMES[name] ?? shownAs(name) })));
        const line = element("div");
        line.append(term, element("dd", { textContent: text(does) }));
        list.append(line);
      }
      const section = element("section");
      section.append(element("h3", { textContent: text(title) }), list);
      return section;
    });
    byId("keys-list").replaceChildren(...shown);
    byId("keys-single").checked = this.single;
    this.dialog.showModal();
  }
}

/** @param {string} name */
const shownAs = (name) => (name.length === 1 ? name.toUpperCase() : name);

/** What is pressed by an id: the button of that name, or the box within a control of it. @param {string} name */
function pressed(name) {
  const found = byId(name);
  return found.querySelector("input") ?? found;
}
