// Pictures that move, their words below: drawn here, encoded by the server's libraries.

import { wrapped } from "./contact_sheet.js";
import { said } from "./said.js";
import { text } from "./text.js";

export const MOST = 120; // pictures, the newest
const SIDES = { gif: 512, webp: 512, mp4: 1024 }; // px of the longer side of a picture
const CAPTION = 2; // lines

/** A picture with its words. @typedef {{ request: Asked, blob: Blob }} Painted */

/**
 * The entries, one after the other.
 * @param {Painted[]} entries
 * @param {keyof typeof SIDES} format
 * @throws Error  in the server's words
 */
export async function animated(entries, format) {
  const screen = await screenFor(entries, SIDES[format]);
  const parts = [];
  for (const entry of entries.slice(-MOST)) {
    await screen.draw(entry);
    const picture = await new Promise((go) => screen.canvas.toBlob(go, "image/jpeg", 0.92));
    const length = new DataView(new ArrayBuffer(4));
    length.setUint32(0, picture.size);
    parts.push(length.buffer, picture);
  }
  const url = new URL(`../animation?format=${format}`, import.meta.url);
  const body = new Blob(parts, { type: "application/octet-stream" });
  const answer = await fetch(url, { method: "POST", body }).catch(() => null);
  if (answer?.ok) return answer.blob();
  const problem = await answer?.json().catch(() => null);
  throw new Error(problem?.detail ? said(problem.detail) : text("server.try_again"));
}

/**
 * What pictures are drawn on: as large as the last one, with room for words below.
 * @param {Painted[]} entries
 * @param {number} side
 */
async function screenFor(entries, side) {
  const last = await createImageBitmap(entries[entries.length - 1].blob);
  const scale = Math.min(1, side / Math.max(last.width, last.height));
  const even = (/** @type {number} */ length) => 2 * Math.round(length / 2); // H.264 has no odd ones
  const [width, height] = [even(last.width * scale), even(last.height * scale)];
  last.close();
  const size = Math.max(16, Math.round(width / 20)); // px of a line
  const caption = even(size * (CAPTION + 1));
  const canvas = Object.assign(document.createElement("canvas"), { width, height: height + caption });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

  /** @param {Painted} entry */
  async function draw({ request, blob }) {
    const picture = await createImageBitmap(blob);
    context.fillStyle = "#121110";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const fit = Math.min(width / picture.width, height / picture.height);
    const [across, down] = [picture.width * fit, picture.height * fit];
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, (width - across) / 2, (height - down) / 2, across, down);
    picture.close();
    context.font = `${Math.round(size * 0.9)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = "#f3f1ed";
    const words = wrapped(context, request.prompt, width - 2 * size, CAPTION);
    words.forEach((line, at) => context.fillText(line, width / 2, height + caption / 2 + size * 1.2 * (at - (words.length - 1) / 2)));
  }

  return { canvas, draw };
}
