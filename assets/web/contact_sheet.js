// Pictures with their words on one sheet, drawn in the page.

import { marked } from "./marked.js";
import { text } from "./text.js";

export const MOST = 96; // pictures, the newest
const SIDE = 256; // px of each
const GAP = 16;
const LINE = 18;
const LINES = 3; // two of words, one of settings
const COLUMNS = 6;

/**
 * @param {{ request: Asked, name?: string, blob: Blob }[]} entries
 * @param {number} most  pictures beside each other
 * @returns {Promise<Blob>}  a PNG
 */
export async function contactSheet(entries, most = COLUMNS) {
  const shown = entries.slice(-MOST);
  const columns = Math.min(most, shown.length);
  const rows = Math.ceil(shown.length / columns);
  const cell = SIDE + LINES * LINE + GAP;
  const canvas = document.createElement("canvas");
  canvas.width = GAP + columns * (SIDE + GAP);
  canvas.height = GAP + rows * cell;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "top";
  for (const [place, entry] of shown.entries()) {
    const left = GAP + (place % columns) * (SIDE + GAP);
    const top = GAP + Math.floor(place / columns) * cell;
    await drawPicture(context, entry.blob, left, top);
    const { prompt, seed, num_inference_steps: steps } = entry.request;
    context.fillStyle = "#1a1916";
    const words = wrapped(context, entry.name || prompt, SIDE, LINES - 1);
    words.forEach((line, at) => context.fillText(line, left, top + SIDE + 6 + at * LINE));
    context.fillStyle = "#5c584f";
    context.fillText(text("sheet.settings", { count: steps, seed }), left, top + SIDE + 6 + words.length * LINE);
  }
  const sheet = await new Promise((resolve) => canvas.toBlob((blob) => resolve(/** @type {Blob} */ (blob)), "image/png"));
  return marked(sheet);
}

/** @param {CanvasRenderingContext2D} context @param {Blob} blob @param {number} left @param {number} top */
async function drawPicture(context, blob, left, top) {
  const picture = await createImageBitmap(blob);
  const scale = Math.min(SIDE / picture.width, SIDE / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, left + (SIDE - width) / 2, top + (SIDE - height) / 2, width, height);
  picture.close();
}

/**
 * Lines that fit a width in px; the last ends with … where there is more.
 * @param {CanvasRenderingContext2D} context
 * @param {string} words
 * @param {number} width
 * @param {number} most
 */
export function wrapped(context, words, width, most) {
  const fits = (/** @type {string} */ line) => context.measureText(line).width <= width;
  /** @type {string[]} */
  const lines = [];
  let rest = [...words];
  while (rest.length && lines.length < most) {
    let end = rest.length;
    while (end > 1 && !fits(rest.slice(0, end).join(""))) end -= 1;
    const space = rest.lastIndexOf(" ", end);
    if (end < rest.length && space > 0 && lines.length < most - 1) end = space + 1;
    lines.push(rest.slice(0, end).join("").trim());
    rest = rest.slice(end);
  }
  if (rest.length) {
    let last = [...lines[lines.length - 1]];
    while (last.length && !fits(`${last.join("")}…`)) last = last.slice(0, -1);
    lines[lines.length - 1] = `${last.join("").trim()}…`;
  }
  return lines;
}
