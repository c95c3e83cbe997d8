// Who stands in line, for the page and for a phone: how many are before, and about how long it takes.

import { text } from "./text.js";

/** A `line` message; what is null: in none. @typedef {Pick<Line, "what"> & Partial<Line>} Place */

/** "All places are taken: you are next, about 2 min" of a seat. @param {Place} place */
export function pageLine({ what, ahead, seconds }) {
  if (!what) return "";
  const people = what === "seat" ? "panel.ahead_of_you" : "panel.ahead";
  const words = timed(ahead === 0 ? text("panel.next") : text(people, { count: ahead }), seconds, Math.round);
  if (what === "seat") return text("panel.taken", { words });
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The same in less room. @param {Place} place */
export function phoneLine({ what, ahead, seconds }) {
  if (what === "seat") return timed(ahead ? text("phone.line", { count: ahead }) : text("phone.next"), seconds, Math.ceil);
  return what === "picture" ? timed(text("phone.soon"), seconds, Math.ceil) : "";
}

/**
 * Words with a time, where it is known.
 * @param {string} words
 * @param {number | null | undefined} seconds
 * @param {(minutes: number) => number} whole
 */
function timed(words, seconds, whole) {
  return seconds == null ? words : text("about", { words, time: long(seconds, whole) });
}

/** A time, in seconds below a minute. @param {number} seconds @param {(minutes: number) => number} whole */
export const long = (seconds, whole) =>
  seconds < 60 ? text("seconds", { count: seconds }) : text("minutes", { count: whole(seconds / 60) });
