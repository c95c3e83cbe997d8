// What the timeline's menu saves: all pictures in one file.

import { contactSheet, MOST as MOST_ON_SHEET } from "./contact_sheet.js";
import { save } from "./files.js";
import { animated, MOST as MOST_IN_FILM } from "./film.js";
import { wordsOf } from "./problems.js";
import { text } from "./text.js";
import { trackOf } from "./timeline_track.js";

/**
 * A kind of file: how many pictures are in one, the newest.
 * @typedef {{ name: string, most: number, make: (entries: Moment[]) => Promise<Blob> }} Kind
 */

/** @param {"mp4" | "gif" | "webp"} format @returns {Kind} */
const moving = (format) => ({ name: `lightning.${format}`, most: MOST_IN_FILM, make: (entries) => animated(entries, format) });

/** By the button that asks for it. */
export const EXPORTS = {
  sheet: { name: "lightning-contact-sheet.png", most: MOST_ON_SHEET, make: contactSheet },
  film: moving("mp4"),
  gif: moving("gif"),
  webp: moving("webp"),
  track: {
    name: "lightning-track.json",
    most: Infinity,
    make: async (/** @type {Moment[]} */ entries) => new Blob([trackOf(entries)], { type: "application/json" }),
  },
};

/**
 * Makes a file, which may take a while, and saves it; says so where not all pictures are in it.
 * @param {Kind} kind
 * @param {Moment[]} entries
 * @param {(words: string) => void} say
 */
export async function exported({ name, most, make }, entries, say) {
  say(text("file.making", { name }));
  try {
    save(await make(entries), name);
    const words = text("live.saved", { name });
    say(entries.length > most ? text("timeline.newest", { words, most, all: entries.length }) : words);
  } catch (problem) {
    say(wordsOf(problem));
  }
}
