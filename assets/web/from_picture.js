// A picture brings its settings along: dropped on the page, pasted, or chosen as a file. It is read
// here and goes nowhere.

import { LONGEST_PROMPT, fitted } from "./fitted.js";
import { whatOf } from "./picture_dialog.js";
import { settingsIn } from "./picture_settings.js";
import { text } from "./text.js";

const ACCEPTED = "image/png,image/webp,image/jpeg";

/**
 * Watches for pictures, and for tracks that are dropped, or whatever else is JSON.
 * @param {HTMLElement} button  that opens the choice of files
 * @param {import("./live.js").Lightning} lightning  the page's live loop
 */
export function watchForPictures(button, lightning) {
  const take = (/** @type {File} */ picture) => takeFrom(picture, lightning);
  const chooser = Object.assign(document.createElement("input"), { type: "file", accept: ACCEPTED });
  chooser.addEventListener("change", () => {
    if (chooser.files?.length) take(chooser.files[0]);
    chooser.value = ""; // so that the same can be chosen again
  });
  button.addEventListener("click", () => chooser.click());
  button.title = text("from_picture.title");
  const page = document.documentElement;
  const leave = () => page.classList.remove("dropping");
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // a browser would leave the page and show the file
    page.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) leave(); // and not from one element to the next
  });
  document.addEventListener("drop", leave, { capture: true }); // a dialog may keep it to itself
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    const { files } = event.dataTransfer;
    const picture = pictureAmong(files);
    const track = [...files].find(({ name, type }) => type === "application/json" || /\.json$/i.test(name));
    if (picture) take(picture);
    else if (track) lightning.timeline?.dropped(track);
  });
  document.addEventListener("paste", (event) => {
    const file = pictureAmong(event.clipboardData?.files ?? []);
    if (!file || event.clipboardData?.types.includes("text/plain")) return; // that is the prompt's
    event.preventDefault();
    take(file);
  });
}

/** @param {Iterable<File>} files */
const pictureAmong = (files) => [...files].find(({ type }) => type.startsWith("image/"));

/**
 * Takes over what a visitor wants of the settings inside a picture, the seed locked.
 * @param {Blob} file
 * @param {import("./live.js").Lightning} lightning
 */
async function takeFrom(file, lightning) {
  const { request, recalled, panel } = lightning;
  const found = await requestOf(file, request, recalled.limits).catch(() => null);
  if (!found) {
    panel.note(text("live.no_settings"), "problem");
    return;
  }
  const what = await whatOf(found.large ? null : file, found.request, found.words, found.template);
  if (!what) return;
  const { prompt, negative_prompt: without, style } = found.request;
  const all = what === "all";
  lightning.timeline?.stop();
  recalled.take(all ? found.request : { ...lightning.request, prompt, negative_prompt: without, style });
  lightning.submit();
  panel.note(text("live.from_picture", { words: all ? found.words : text("from_picture.prompt") }));
}

/**
 * A request with the settings inside a picture, as far as they can be asked for here, words for them, the
 * template that its prompt was made of, and whether it is too large to be shown; null where it has none.
 * @param {Blob} file
 * @param {Asked} request  what is asked for now
 * @param {import("./fitted.js").Limits} limits
 */
async function requestOf(file, request, limits) {
  const inside = await settingsIn(file);
  const asked = inside && fitted(inside.found, request, limits);
  const { template } = inside?.found ?? {};
  return asked && { ...asked, template: typeof template === "string" ? template.slice(0, LONGEST_PROMPT) : "", large: inside.large };
}
