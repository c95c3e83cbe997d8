// Chips: whole examples, and single words that take the place of another of their kind.

const escaped = (/** @type {string} */ word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const finders = new Map();

/** What finds a word, for `matchAll` and `search`; made once, as it is asked for at every key. @param {string} word */
function finder(word) {
  if (!finders.has(word)) {
    const pattern = `(?<![\\p{L}\\d])${escaped(word)}(?![\\p{L}\\d])`;
    finders.set(word, new RegExp(pattern, "giu"));
  }
  return finders.get(word);
}

/**
 * `prompt` with `word` in it: instead of the last of `others` that it has, else at its end.
 * @param {string} prompt
 * @param {string} word
 * @param {string[]} others
 */
export function withWord(prompt, word, others) {
  /** @type {RegExpExecArray | null} */
  let last = null;
  for (const other of others) {
    for (const match of prompt.matchAll(finder(other))) {
      const later = !last || match.index > last.index;
      const longer = last && match.index === last.index && match[0].length > last[0].length;
      if (later || longer) last = match;
    }
  }
  if (!last) return prompt.trim() ? `${prompt.trimEnd()} ${word}` : word;
  return prompt.slice(0, last.index) + word + prompt.slice(last.index + last[0].length);
}

/**
 * Makes all chips work; `read` and `write` are the prompt's.
 * @param {() => string} read
 * @param {(prompt: string) => void} write
 */
export function wireChips(read, write) {
  document.addEventListener("click", ({ target }) => {
    const chip = /** @type {Element} */ (target).closest?.(".chip");
    if (!chip) return;
    if (chip.dataset.example) write(chip.dataset.example);
    else if (chip.dataset.word) write(withWord(read(), chip.dataset.word, kind(chip)));
  });
}

/** @returns {NodeListOf<HTMLElement>} */
const chips = () => document.querySelectorAll(".chip");

/** Shows which words the prompt uses. @param {string} prompt */
export function markChips(prompt) {
  for (const chip of chips()) {
    const { word, example } = chip.dataset;
    const used = String(word ? prompt.search(finder(word)) >= 0 : example === prompt);
    if (chip.getAttribute("aria-pressed") !== used) chip.setAttribute("aria-pressed", used);
  }
}

/** All words that one of them takes the place of. @param {HTMLElement} chip @returns {string[]} */
function kind(chip) {
  const all = /** @type {HTMLElement[]} */ ([...chip.parentElement.children]);
  return all.map((each) => each.dataset.word ?? "");
}
