// Chips: whole examples, and single words that take the place of another of their kind.

const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const finder = (word) => new RegExp(`(?<![\\p{L}\\d])${escaped(word)}(?![\\p{L}\\d])`, "giu");

/** `prompt` with `word` in it: instead of the last of `others` that it has, else at its end. */
export function withWord(prompt, word, others) {
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

/** Makes all chips work; `read` and `write` are the prompt's. */
export function wireChips(read, write) {
  document.addEventListener("click", (event) => {
    const chip = event.target.closest?.(".chip");
    if (!chip) return;
    if (chip.dataset.example) write(chip.dataset.example);
    else if (chip.dataset.word) write(withWord(read(), chip.dataset.word, kind(chip)));
  });
}

/** Shows which words the prompt uses. */
export function markChips(prompt) {
  for (const chip of document.querySelectorAll(".chip")) {
    const { word, example } = chip.dataset;
    const used = word ? finder(word).test(prompt) : example === prompt;
    chip.setAttribute("aria-pressed", String(used));
  }
}

function kind(chip) {
  return [...chip.parentElement.children].map((each) => each.dataset.word);
}
