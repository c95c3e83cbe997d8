// A track that is painted again: each request in turn, and in the end what of it is not as it was.

import { pause } from "./pause.js";
import { text } from "./text.js";
import { sameAs } from "./timeline_track.js";

const EACH_MS = 500; // at least, so that each can be seen
const LOOK_MS = 20; // between two looks at whether one is painted, or the page goes on

/**
 * Paints a track, until it is stopped.
 * @param {import("./live.js").Lightning} lightning
 * @param {import("./timeline_track.js").Cue[]} cues
 * @param {AbortSignal} signal
 * @param {{ say: (words: string) => void, named: (name: string) => Promise<void> }} tell
 *   words for the visitor; the name of the picture that has just been painted
 */
export async function paintTrack(lightning, cues, signal, { say, named }) {
  const sum = { painted: 0, failed: 0, differ: 0, theirs: "" };
  for (const [place, { request, model, name }] of cues.entries()) {
    while (lightning.paused && !signal.aborted) await pause(LOOK_MS, signal);
    if (signal.aborted) break;
    say(text("timeline.painting", { place: place + 1, all: cues.length }));
    lightning.recalled.show(request);
    const same = sameAs(request, lightning.request);
    lightning.submit();
    await pause(EACH_MS, signal);
    while (!lightning.answered && !signal.aborted) await pause(LOOK_MS, signal);
    if (signal.aborted) break;
    const last = lightning.painted.at(-1);
    const painted = last?.final && last.sequence === lightning.sequence;
    sum[painted ? "painted" : "failed"] += 1;
    if (!painted) continue;
    if (!same) sum.differ += 1;
    const own = last.model || lightning.panel.status?.model;
    if (model && own && model !== own) sum.theirs = model;
    if (name) await named(name);
  }
  const { painted, failed, differ, theirs } = sum;
  const words = [
    text("timeline.painted", { count: painted }),
    failed && text("timeline.failed", { count: failed }),
    differ && text("timeline.differ", { count: differ }),
    theirs && text("timeline.other_model", { model: theirs }),
  ];
  say(words.filter(Boolean).join(" · "));
}
