// The page's words in the visitor's language. They stand in text_en.js, text_de.js and text_zh.js.

import { keep, kept } from "./kept.js";
import english from "./text_en.js";

const KEPT = "lightning-language";

/** Every language by its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch", zh: "中文" };

/** The visitor's choice; else the first of the browser's languages that there is. */
export const language = chosen();

/** @type {Record<string, string>} */
const words = language === "en" ? english : (await import(`./text_${language}.js`)).default;
const plural = new Intl.PluralRules(language);
const counts = new Intl.NumberFormat(language);

function chosen() {
  if ("gradio_config" in globalThis) return "en"; // that page has more words than these files yet
  const wanted = [kept(KEPT), ...(globalThis.navigator?.languages ?? [])];
  const found = wanted.map((each) => (each ?? "").toLowerCase().split("-")[0]).find((each) => each in LANGUAGES);
  return found ?? "en";
}

/**
 * A text.
 * @param {string} key
 * @param {Record<string, any>} values  for its {places}; of a text with plural forms `count` chooses
 * @returns {string}
 */
export function text(key, values = {}) {
  return parts(key, values).join("");
}

/**
 * A text with elements among its values, as what can be appended.
 * @param {string} key
 * @param {Record<string, any>} values
 * @returns {(string | Node)[]}
 */
export function parts(key, values) {
  const form = "count" in values ? `${key}.${plural.select(Number(values.count))}` : key;
  const found = words[form] ?? words[`${key}.other`] ?? words[key] ?? key;
  return found.split(/(\{\w+\})/).map((part) => {
    const [, name] = /^\{(\w+)\}$/.exec(part) ?? [];
    if (name === undefined || !(name in values)) return part;
    const value = values[name];
    // Other whole numbers are places and seeds, which are written as they are.
    const localized = name === "count" || (typeof value === "number" && !Number.isInteger(value));
    return localized ? counts.format(value) : value;
  });
}

/** Those that are something, as one text: "one, two, three". */
export function listed(/** @type {any[]} */ all) {
  const some = all.filter(Boolean);
  return some.length ? some.reduce((before, next) => text("list.pair", { before, next })) : "";
}

/** Fills in what of a page's markup is marked: data-text, and data-text-title for an attribute. */
export function fillIn(/** @type {ParentNode} */ root = document) {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
  for (const each of root.querySelectorAll("*")) {
    for (const { name, value } of [...each.attributes]) {
      if (name === "data-text") each.textContent = text(value);
      else if (name.startsWith("data-text-")) each.setAttribute(name.slice("data-text-".length), text(value));
    }
  }
}

/** A visible choice of the language; the page begins anew in it. */
export function languageChoice() {
  const select = document.createElement("select");
  select.className = "language";
  select.setAttribute("aria-label", text("language"));
  for (const [code, name] of Object.entries(LANGUAGES)) select.append(new Option(name, code, false, code === language));
  for (const option of select.options) option.lang = option.value;
  select.addEventListener("change", () => {
    keep(KEPT, select.value);
    location.reload();
  });
  return select;
}
