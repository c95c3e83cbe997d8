// What a picture holds, and what of it is taken over.

import { text } from "./text.js";

const BUTTONS = [["all", "picture_dialog.all"], ["prompt", "picture_dialog.prompt"], ["", "picture_dialog.nothing"]];

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} kind
 * @param {Partial<HTMLElementTagNameMap[Tag]>} fields
 * @returns {HTMLElementTagNameMap[Tag]}
 */
const element = (kind, fields) => Object.assign(document.createElement(kind), fields);

/**
 * Asks a visitor.
 * @param {Blob | null} file  the picture; null for one that is too large to be shown
 * @param {Asked} request  what it asks for here
 * @param {string} words  for its settings, and for what they become
 * @param {string} [template]  that its prompt was made of
 * @returns "all", "prompt", or "" for nothing
 */
export function whatOf(file, request, words, template = "") {
  const dialog = element("dialog", { id: "picture-dialog" });
  dialog.setAttribute("aria-labelledby", "picture-dialog-title");
  const image = file ? element("img", { alt: "", src: URL.createObjectURL(file) }) : element("p", { className: "unseen", textContent: text("picture_dialog.large") });
  const about = element("div", {});
  about.append(
    element("h2", { id: "picture-dialog-title", textContent: text("picture_dialog.title") }),
    element("p", { className: "said", dir: "auto", textContent: request.prompt }),
    element("p", { className: "said without", dir: "auto", textContent: request.negative_prompt && text("drawer.without", { words: request.negative_prompt }) }),
    element("p", { className: "said without", dir: "auto", textContent: template && text("picture_dialog.template", { template }) }),
    element("p", { textContent: words }),
  );
  const form = element("form", { method: "dialog" });
  form.append(...BUTTONS.map(([value, key]) => element("button", { value, textContent: text(key) })));
  dialog.append(image, about, form);
  document.querySelector(".gradio-container").append(dialog);
  const answered = new Promise((answer) => {
    dialog.addEventListener("close", () => {
      if (image instanceof HTMLImageElement) URL.revokeObjectURL(image.src);
      dialog.remove();
      answer(dialog.returnValue);
    });
  });
  dialog.showModal();
  return answered;
}
