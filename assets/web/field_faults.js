// What is wrong with what is asked for, told at the control that it is of.

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);

export class FieldFaults {
  /**
   * @param {import("./controls.js").Controls} controls
   * @param {(box: Element) => void} reveal  shows a control, wherever it rests
   */
  constructor(controls, reveal) {
    this.controls = controls;
    this.reveal = reveal;
    this.shown = false; // whether one is
  }

  /**
   * Shows one in place of what was shown.
   * @param {string | null} field
   * @param {string} message  of the server, which names the field first
   * @returns whether the page has such a control
   */
  show(field, message) {
    this.clear();
    const box = field ? this.controls.box(field) : null;
    this.shown = Boolean(box);
    if (!box) return false;
    const words = message.replace(/^\w+: /, ""); // the field's name is where the words stand
    const sentence = words.charAt(0).toUpperCase() + words.slice(1);
    const input = box.querySelector("textarea, input");
    input?.setAttribute("aria-invalid", "true");
    if (field === "prompt") {
      byId("prompt-note").textContent = sentence;
      byId("prompt-note").dataset.kind = "problem";
      return true;
    }
    this.reveal(box);
    input?.setAttribute("aria-describedby", "field-error");
    const place = document.createElement("p");
    place.id = "field-error";
    place.setAttribute("role", "alert");
    place.textContent = sentence;
    box.append(place);
    return true;
  }

  clear() {
    if (!this.shown) return;
    this.shown = false;
    byId("field-error")?.remove();
    for (const input of document.querySelectorAll("[aria-invalid]")) {
      input.removeAttribute("aria-invalid");
    }
    document.querySelector("[aria-describedby=field-error]")?.removeAttribute("aria-describedby");
    if (byId("prompt-note").dataset.kind) {
      byId("prompt-note").textContent = "";
      byId("prompt-note").dataset.kind = "";
    }
  }
}
