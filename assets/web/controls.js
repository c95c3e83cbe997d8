// The page's controls by name: what they say, and one report whenever one may say something new.

import { text } from "./text.js";

const OF_NO_PICTURE = ["seed_lock", "budget"];

export class Controls {
  /**
   * @param ids      each control's elem_id by its name (CONTROLS in ui/controls.py)
   * @param changed  called with a control's name and the time of the event
   */
  constructor(ids, changed) {
    this.ids = ids;
    const selector = Object.values(ids).map((id) => `#${id}`).join();
    document.querySelectorAll(selector).forEach(nameSlider);
    const nameOf = (box) => Object.keys(ids).find((name) => ids[name] === box.id);
    // Gradio writes some values itself, without an `input`: at a slider's reset button, and when a
    // field is left with a value out of range.
    for (const type of ["input", "click", "focusout"]) {
      document.addEventListener(type, (/** @type {any} */ { target, timeStamp }) => {
        const box = target.closest?.(selector);
        if (box) queueMicrotask(() => changed(nameOf(box), timeStamp)); // once Gradio has written
      });
    }
    // What is typed or chosen stands in its field already: it need not wait for Gradio.
    document.addEventListener("input", (/** @type {any} */ { target, timeStamp }) => {
      const box = target.closest?.(selector);
      if (!box) return;
      // Not when it is left: each is a tab stop of its own.
      if (target.type === "radio") choose(box, target);
      changed(nameOf(box), timeStamp);
    }, { capture: true });
  }

  /** The element of a control, or of the one that has a request's field. */
  box(name) {
    return document.getElementById(this.ids[name === "width" || name === "height" ? "size" : name]);
  }

  /** The element that holds its value; none when nothing is chosen, or the page lacks it. */
  field(name) {
    return this.box(name)?.querySelector("textarea, select, input:not([type=radio]), input:checked");
  }

  /** Text, number (null: an empty field), or true or false; undefined without a field. */
  value(name) {
    const field = this.field(name);
    if (!field) return undefined;
    if (field.type === "checkbox") return field.checked;
    if (field.type === "number") return field.value === "" ? null : Number(field.value);
    return field.type === "radio" && isFinite(field.value) ? Number(field.value) : field.value;
  }

  /** The fields of a request that a control has. */
  fields(name) {
    const value = this.value(name);
    if (value === undefined || OF_NO_PICTURE.includes(name)) return {};
    if (name !== "size") return { [name]: value };
    const [width, height] = value.split("x").map(Number);
    return { width, height };
  }

  /** What all controls together ask for. */
  request() {
    return Object.assign({}, ...Object.keys(this.ids).map((name) => this.fields(name)));
  }

  /** Shows a request, as far as the controls can say it. */
  show(request) {
    const { width, height, ...values } = request;
    for (const [name, value] of Object.entries({ ...values, size: `${width}x${height}` })) {
      if (value !== this.value(name)) this.set(name, value);
    }
  }

  /** The values of a choice that can be chosen. */
  choices(name) {
    return buttons(this.box(name)).filter((each) => !each.disabled).map((each) => each.value);
  }

  /** Puts a value into a control as a visitor would. */
  set(name, value) {
    const field = this.field(name);
    if (field?.type === "radio") {
      buttons(this.box(name)).find((each) => each.value === String(value))?.click();
    } else if (field?.type === "checkbox") {
      if (field.checked !== value) field.click();
    } else if (field && (field.type !== "number" || typeof value === "number")) {
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }
}

const buttons = (box) => [...box.querySelectorAll("input[type=radio]")];

/** What Gradio has English names for, in the visitor's language. */
function nameSlider(box) {
  const range = box.querySelector("input[type=range]");
  if (!range) return;
  const label = box.querySelector("label").textContent.trim();
  range.setAttribute("aria-label", text("page.slider.range", { label }));
  box.querySelector("input[type=number]").setAttribute("aria-label", text("page.slider.number", { label }));
  box.querySelector("button")?.setAttribute("aria-label", text("page.slider.reset"));
}

/** Unchecks the other buttons of a choice: Gradio names them differently, and does so later. */
function choose(box, chosen) {
  for (const each of buttons(box)) each.checked = each === chosen;
}
