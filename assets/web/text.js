// The page's words in the visitor's language. They stand in text_en.js, text_de.js and text_zh.js.

import { keep } from "./kept.js";
import "./language.js";
import english from "./text_en.js";

const { KEPT, NAMES, code, tag, fill, choice } = globalThis.inLanguage;

/** Every language by its own name. @type {Record<string, string>} */
export const LANGUAGES = NAMES;

/** The visitor's. @type {string} */
export const language = code;

/** @type {Record<string, string>} */
const words = language === "en" ? english : (await import(`./text_${language}.js`)).default;
const plural = new Intl.PluralRules(language);
const counts = new Intl.NumberFormat(language);

/**
 * A text.
 * @param {string} key
 * @param {object} values  for its {places}; of a text with plural forms `count` chooses
 * @returns {string}
 */
export function text(key, values = {}) {
  return parts(key, values).join("");
}

/**
 * A text with elements among its values, as what can be appended.
 * @param {string} key
 * @param {object} values
 * @returns {(string | Node)[]}
 */
export function parts(key, values) {
  const named = /** @type {Record<string, unknown>} */ (values);
  const form = "count" in named ? `${key}.${plural.select(Number(named.count))}` : key;
  const found = words[form] ?? words[`${key}.other`] ?? words[key] ?? key;
  return found.split(/(\{\w+\})/).map((part) => {
    const [, name] = /^\{(\w+)\}$/.exec(part) ?? [];
    if (name === undefined || !(name in named)) return part;
    const value = named[name];
    // Other whole numbers are places and seeds, which are written as they are.
    const localized = name === "count" || (typeof value === "number" && !Number.isInteger(value));
    return localized ? counts.format(Number(value)) : /** @type {string | Node} */ (value);
  });
}

/** Those that are something, as one text: "one, two, three". */
export function listed(/** @type {unknown[]} */ all) {
  const some = all.filter(Boolean).map(String);
  return some.length ? some.reduce((before, next) => text("list.pair", { before, next })) : "";
}

/** Fills in what of a page's markup is marked (`fill` in language.js). */
export function fillIn(/** @type {ParentNode} */ root = document) {
  document.documentElement.lang = tag;
  fill(root, text);
}

/** A visible choice of the language. */
export function languageChoice() {
  return wireLanguage(choice(text("language")));
}

/**
 * Makes a choice work: the page begins anew in its language.
 * @param {HTMLSelectElement} select
 * @param {() => void} leave  called before that
 */
export function wireLanguage(select, leave = () => {}) {
  select.addEventListener("change", () => {
    keep(KEPT, select.value);
    leave();
    location.reload();
  });
  return select;
}
