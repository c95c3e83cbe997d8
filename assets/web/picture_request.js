// One picture of many, asked for by itself: it gives way to what is typed, and waits where the server is
// busy.

import { pause } from "./pause.js";
import { said } from "./said.js";
import { text } from "./text.js";

const OURS = "../picture?format=jpeg&yields=1";

/**
 * Asks until it is painted, or refused.
 * @param {object} request
 * @param {AbortSignal} signal
 * @param {string} [where]  another address than this server's
 * @throws Error  in words for the visitor; named AbortError once the signal is aborted
 * @returns {Promise<{ blob: Blob, took: number }>}  ms that it took, without its place in line where that is known
 */
export async function pictureOf(request, signal, where = OURS) {
  const url = new URL(where, import.meta.url);
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request), signal };
  for (;;) {
    const begun = performance.now();
    const answer = await fetch(url, options).catch((problem) => {
      throw problem instanceof TypeError ? new Error(text("server.silent")) : problem;
    });
    if (answer.status === 429) {
      await pause(1000 * Number(answer.headers.get("Retry-After") ?? 1), signal);
      continue;
    }
    if (!answer.ok) throw new Error(said((await answer.json().catch(() => null))?.detail) || text("server.not_painted"));
    return { blob: await answer.blob(), took: serverTime(answer) || performance.now() - begun };
  }
}

/** ms by the server's own measurement, without its place in line; 0 where it tells none. @param {Response} answer */
function serverTime(answer) {
  const stages = answer.headers.get("Server-Timing") ?? "";
  const of = (/** @type {string} */ stage) => Number(new RegExp(`\\b${stage};dur=([\\d.]+)`).exec(stages)?.[1] ?? 0);
  return stages ? Math.round(of("total") - of("queue")) : 0;
}
