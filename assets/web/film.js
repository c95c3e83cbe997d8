// The timeline as a film, its words below: recorded here as MP4 or WebM, or made a GIF or WebP by the
// server's library.

import { wrapped } from "./contact_sheet.js";
import { marked } from "./marked.js";
import { said } from "./said.js";
import { text } from "./text.js";

export const MOST = 120; // pictures, the newest
const EACH_MS = 200;
const LAST_MS = 2000; // the last one is looked at
const TICK_MS = 50; // between two frames of a recording, which shows nothing that is not drawn
const SIDE = 512; // px of the longer side of a GIF or WebP
const BITS = 8_000_000; // a second
const CAPTION = 2; // lines
const TYPES = ["video/mp4;codecs=avc1.42E01F", "video/mp4", "video/webm;codecs=vp9", "video/webm"];

/** A picture with its words. @typedef {{ request: Asked, blob: Blob }} Painted */

/**
 * The ending of the films that this browser records; none if it records none.
 * @returns {{ type: string, ending: string } | undefined}
 */
export function filmEnding() {
  const type = TYPES.find((each) => globalThis.MediaRecorder?.isTypeSupported(each));
  return type === undefined ? undefined : { type, ending: type.startsWith("video/mp4") ? "mp4" : "webm" };
}

/**
 * Records, which takes as long as the film.
 * @param {Painted[]} entries
 * @param {AbortSignal} signal  ends it early; what there is is given
 */
export async function recorded(entries, signal) {
  const { type } = /** @type {{ type: string }} */ (filmEnding()); // it is only asked for where there is one
  const screen = await screenFor(entries);
  const recorder = new MediaRecorder(screen.canvas.captureStream(), { mimeType: type, videoBitsPerSecond: BITS });
  /** @type {Blob[]} */
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((go) => (recorder.onstop = go));
  const shown = entries.slice(-MOST);
  await screen.draw(shown[0]);
  recorder.start();
  for (const entry of shown) {
    if (signal.aborted) break;
    await screen.draw(entry);
    const until = performance.now() + (entry === shown.at(-1) ? LAST_MS : EACH_MS);
    while (performance.now() < until && !signal.aborted) {
      screen.redraw();
      await new Promise((go) => setTimeout(go, TICK_MS));
    }
  }
  recorder.stop();
  await stopped;
  return marked(new Blob(parts, { type }));
}

/**
 * A GIF or WebP of the entries.
 * @param {string} format  "gif" or "webp"
 * @param {Painted[]} entries
 * @throws Error  in the server's words
 */
export async function animated(entries, format) {
  const screen = await screenFor(entries, SIDE);
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

/** What pictures are drawn on: as large as the last one, with room for words below. @param {Painted[]} entries */
async function screenFor(entries, side = Infinity) {
  const last = await createImageBitmap(entries[entries.length - 1].blob);
  const scale = Math.min(1, side / Math.max(last.width, last.height));
  const even = (/** @type {number} */ length) => 2 * Math.round(length / 2); // H.264 has no odd ones
  const [width, height] = [even(last.width * scale), even(last.height * scale)];
  last.close();
  const size = Math.max(16, Math.round(width / 20)); // px of a line
  const caption = even(size * (CAPTION + 1));
  const canvas = Object.assign(document.createElement("canvas"), { width, height: height + caption });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  /** @type {{ picture: ImageBitmap | null, words: string[] }} of the frame that is shown */
  const drawn = { picture: null, words: [] };

  function redraw() {
    const { picture, words } = drawn;
    if (!picture) return;
    context.fillStyle = "#121110";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const fit = Math.min(width / picture.width, height / picture.height);
    const [across, down] = [picture.width * fit, picture.height * fit];
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, (width - across) / 2, (height - down) / 2, across, down);
    context.fillStyle = "#f3f1ed";
    words.forEach((line, at) => context.fillText(line, width / 2, height + caption / 2 + size * 1.2 * (at - (words.length - 1) / 2)));
  }

  /** @param {Painted} entry */
  async function draw({ request, blob }) {
    const picture = await createImageBitmap(blob);
    drawn.picture?.close();
    context.font = `${Math.round(size * 0.9)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    Object.assign(drawn, { picture, words: wrapped(context, request.prompt, width - 2 * size, CAPTION) });
    redraw();
  }

  return { canvas, draw, redraw };
}
