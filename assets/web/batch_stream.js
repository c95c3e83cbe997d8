// Several pictures of a batch over one connection, each when it is there
// (lightning_demo/web/batch_pictures.py).

import { said } from "./said.js";
import { text } from "./text.js";

/**
 * What is said of a picture, or why there is none; `again`: that it is to be asked for again.
 * @typedef {{ again?: boolean, seconds?: number, model?: string, notes?: string[], error?: string }} About
 */

/**
 * Asks for pictures and yields [place, about, blob] of each; of one without a picture the blob is null.
 * @param {Asked[]} requests  at most 16
 * @param {string} format  png, jpeg or webp
 * @param {AbortSignal} signal
 * @throws Refused  with the HTTP status, where none is painted; what fetch throws, where nobody answers
 * @returns {AsyncGenerator<[number, About, Blob | null]>}
 */
export async function* pictures(requests, format, signal) {
  const answer = await fetch(new URL("../batch/pictures", import.meta.url), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ format, requests }),
    signal,
  });
  if (!answer.ok) {
    const content = await answer.json().catch(() => null);
    throw new Refused(content?.detail ? said(content.detail) : text("batch.refused"), answer);
  }
  for await (const [{ place, ...about }, bytes] of records(/** @type {ReadableStream<Uint8Array>} */ (answer.body))) {
    yield [place, about, bytes.length ? new Blob([bytes], { type: `image/${format}` }) : null];
  }
}

/** The server answers, but not with pictures. */
export class Refused extends Error {
  /** @param {string} words @param {Response} answer */
  constructor(words, { status, headers }) {
    super(words);
    this.status = status;
    this.seconds = Number(headers.get("Retry-After") ?? 0);
  }
}

/**
 * Each record of a stream: its header, and its bytes. One that is cut short is left out.
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<[About & { place: number, bytes: number }, Uint8Array<ArrayBuffer>]>}
 */
export async function* records(stream) {
  const reader = stream.getReader();
  let bytes = new Uint8Array();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const before = bytes;
    bytes = new Uint8Array(before.length + value.length);
    bytes.set(before);
    bytes.set(value, before.length);
    for (;;) {
      if (bytes.length < 4) break;
      const from = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      if (bytes.length < from) break;
      const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, from)));
      if (bytes.length < from + header.bytes) break;
      yield [header, bytes.slice(from, from + header.bytes)];
      bytes = bytes.slice(from + header.bytes);
    }
  }
}
