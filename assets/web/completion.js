// What will probably be typed next: the rest of a word, and the requests that follow from it.

const LONGEST_WORD = 40; // characters
const LONGEST_PROMPT = 2000; // characters; no model reads what comes after
const GUESSES = 4;
const REMEMBERED = 500; // words

const LAST_WORD = /(?<![\p{L}\p{M}\p{N}])\p{L}\p{M}*\p{L}[\p{L}\p{M}]*$/u; // of two letters or more
const WORDS = /\p{L}[\p{L}\p{M}]+/gu;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * The rest of the word at the end of `prompt`; "" where none is likely.
 * @param {string} prompt
 * @param {string[]} words    lowercase, the likeliest first
 * @param {string[]} history  the visitor's own, which come before `words`
 */
export function complete(prompt, words, history) {
  if (prompt.length > LONGEST_PROMPT || RIGHT_TO_LEFT.test(prompt)) return "";
  const [typed] = prompt.slice(-LONGEST_WORD).match(LAST_WORD) ?? [];
  if (!typed) return "";
  const start = typed.toLowerCase();
  if (words.includes(start)) return "";
  const longer = (/** @type {string} */ word) => word.length > start.length && word.startsWith(start);
  const rest = (history.find(longer) ?? words.find(longer) ?? start).slice(start.length);
  const loud = typed !== start && typed === typed.toUpperCase();
  return loud ? rest.toUpperCase() : rest;
}

/**
 * What changes in `request` if the visitor asks for what is likely, the likeliest first.
 * @param {Asked} request
 * @param {string} completion    what `complete` says of its prompt
 * @param {number[]} stepCounts  those that the model has
 */
export function guesses(request, completion, stepCounts) {
  const { prompt, num_inference_steps: steps } = request;
  const distance = (/** @type {number} */ count) => Math.abs(Math.log2(count / steps));
  const others = stepCounts.filter((count) => count !== steps);
  others.sort((one, other) => distance(one) - distance(other));
  return [
    ...(completion ? [{ prompt: prompt + completion }] : []),
    ...others.map((count) => ({ num_inference_steps: count })),
  ].slice(0, GUESSES);
}

/**
 * `history` with the words of a finished prompt before all others.
 * @param {string} prompt
 * @param {string[]} history
 */
export function remember(prompt, history) {
  const words = prompt.slice(0, LONGEST_PROMPT).toLowerCase().match(WORDS) ?? [];
  return [...new Set([...words, ...history])].slice(0, REMEMBERED);
}
