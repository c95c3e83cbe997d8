// The page's controls by name: what they say, and one report whenever one may say something new.

import { text } from "./text.js";

const OF_NO_PICTURE = ["seed_lock", "budget"];

/**
 * The prompt's field; all others are like an input, as far as it is asked of them.
 * @template {string} Name
 * @typedef {Name extends "prompt" ? HTMLTextAreaElement : HTMLInputElement} FieldOf
 */

/** What a control says; null: an empty number. @typedef {string | number | boolean | null} Value */

export class Controls {
  /**
   * @param {Record<string, string>} ids  each control's elem_id by its name (CONTROLS in ui/controls.py)
   * @param {(name: string, at: number) => void} changed  called with a control's name and the time of the event
   */
  constructor(ids, changed) {
    this.ids = ids;
    const selector = Object.values(ids).map((id) => `#${id}`).join();
    document.querySelectorAll(selector).forEach(nameSlider);
    const nameOf = (/** @type {HTMLElement} */ box) => Object.keys(ids).find((name) => ids[name] === box.id) ?? "";
    // Gradio writes some values itself, without an `input`: at a slider's reset button, and when a
    // field is left with a value out of range.
    for (const type of ["input", "click", "focusout"]) {
      document.addEventListener(type, ({ target, timeStamp }) => {
        const box = /** @type {Element} */ (target).closest?.(selector);
        if (box) queueMicrotask(() => changed(nameOf(box), timeStamp)); // once Gradio has written
      });
    }
    // What is typed or chosen is in its field already, and need not wait for Gradio to handle it.
    document.addEventListener("input", ({ target, timeStamp }) => {
      const field = /** @type {HTMLInputElement} */ (target);
      const box = field.closest?.(selector);
      if (!box) return;
      // At once: while several are checked, each of them is a tab stop.
      if (field.type === "radio") choose(box, field);
      changed(nameOf(box), timeStamp);
    }, { capture: true });
  }

  /** The element of a control, or of the one that has a request's field. @param {string} name */
  box(name) {
    return document.getElementById(this.ids[name === "width" || name === "height" ? "size" : name]);
  }

  /**
   * The element that holds its value; none when nothing is chosen, or the page lacks it.
   * @template {string} Name
   * @param {Name} name
   * @returns {FieldOf<Name>}
   */
  field(name) {
    const field = this.box(name)?.querySelector("textarea, select, input:not([type=radio]), input:checked");
    return /** @type {FieldOf<Name>} */ (/** @type {unknown} */ (field));
  }

  /** Text, number (null: an empty field), or true or false; undefined without a field. @param {string} name */
  value(name) {
    const field = this.field(name);
    if (!field) return undefined;
    if (field.type === "checkbox") return field.checked;
    if (field.type === "number") return field.value === "" ? null : Number(field.value);
    return field.type === "radio" && isFinite(Number(field.value)) ? Number(field.value) : field.value;
  }

  /** The fields of a request that a control has. @param {string} name */
  fields(name) {
    const value = this.value(name);
    if (value === undefined || OF_NO_PICTURE.includes(name)) return {};
    if (name !== "size") return { [name]: value };
    const [width, height] = String(value).split("x").map(Number);
    return { width, height };
  }

  /** The request that all controls together ask for. */
  request() {
    return Object.assign({}, ...Object.keys(this.ids).map((name) => this.fields(name)));
  }

  /** Shows a request, as far as the controls can say it. @param {Asked} request */
  show(request) {
    const { width, height, ...values } = request;
    for (const [name, value] of Object.entries({ ...values, size: `${width}x${height}` })) {
      if (value !== this.value(name)) this.set(name, value);
    }
  }

  /** The values of a choice that can be chosen. @param {string} name */
  choices(name) {
    return buttons(this.box(name)).filter((each) => !each.disabled).map((each) => each.value);
  }

  /** Puts a value into a control as a visitor would. @param {string} name @param {Value} value */
  set(name, value) {
    const field = this.field(name);
    if (field?.type === "radio") {
      buttons(this.box(name)).find((each) => each.value === String(value))?.click();
    } else if (field?.type === "checkbox") {
      if (field.checked !== value) field.click();
    } else if (field && (field.type !== "number" || typeof value === "number")) {
      field.value = /** @type {string} */ (value); // made a text where it is none
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }
}

/** @param {HTMLElement} box */
const buttons = (box) => [...box.querySelectorAll("input[type=radio]")];

/** What Gradio has English names for, in the visitor's language. @param {HTMLElement} box */
function nameSlider(box) {
  const range = box.querySelector("input[type=range]");
  if (!range) return;
  const label = box.querySelector("label").textContent.trim();
  range.setAttribute("aria-label", text("page.slider.range", { label }));
  box.querySelector("input[type=number]").setAttribute("aria-label", text("page.slider.number", { label }));
  box.querySelector("button")?.setAttribute("aria-label", text("page.slider.reset"));
}

/**
 * Unchecks the other buttons of a choice: Gradio names them differently, and does so later.
 * @param {HTMLElement} box
 * @param {HTMLInputElement} chosen
 */
function choose(box, chosen) {
  for (const each of buttons(box)) each.checked = each === chosen;
}
