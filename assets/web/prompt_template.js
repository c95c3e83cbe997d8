// A prompt that is a template says so in a quiet line below it, and opens the batch with all its pictures.
// The live picture stays the one of the words as they stand there.

import { text } from "./text.js";
import { hide, write } from "./unchanged.js";

const SIGNS = /\\[{},|]|[{},|]/g; // as lightning_demo/studio/templates.py reads them
const WILDCARD = /__([\w-]{1,64}?(?:\/[\w-]{1,64}?){0,4}?)__/g; // as wildcards.py does
const DEEPEST = 20; // levels: the prompt itself, and braces inside each other

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);

/**
 * How many prompts a template is; 1 for a plain prompt, 0 where a brace has no other one (yet).
 * @param {string} template
 */
export function promptsOf(template) {
  const groups = [{ counts: [1], signs: [""] }]; // of each part between signs, and the sign before it
  for (const [sign] of template.matchAll(SIGNS)) {
    const inner = groups[groups.length - 1];
    if (sign === "{") groups.push({ counts: [1], signs: [""] });
    else if (sign === "}") {
      groups.pop();
      const outer = groups.at(-1);
      if (!outer) return 0;
      outer.counts.push(Number(outer.counts.pop()) * alternatives(inner));
    } else if (sign.length === 1 && groups.length > 1) {
      inner.counts.push(1);
      inner.signs.push(sign);
    }
    if (groups.length > DEEPEST) return 0;
  }
  return groups.length === 1 ? groups[0].counts[0] : 0;
}

/** The prompts of all alternatives: commas part them only where no bar does. @param {{ counts: number[], signs: string[] }} group */
function alternatives({ counts, signs }) {
  const separator = signs.includes("|") ? "|" : ",";
  let [sum, product] = [0, 1];
  for (const [at, count] of counts.entries()) {
    if (signs[at] === separator) [sum, product] = [sum + product, 1];
    product *= count;
  }
  return sum + product;
}

/**
 * How many pictures a prompt asks a batch for; 0 where it is no template.
 * @param {string} prompt
 * @param {string[]} lists  names of the lists of words that there are
 */
export function picturesOf(prompt, lists) {
  const count = promptsOf(prompt);
  const drawn = [...prompt.matchAll(WILDCARD)].some(([, name]) => lists.includes(name));
  return count > 1 || drawn ? count : 0;
}

export class PromptTemplate {
  /** @param {import("./live.js").Lightning} lightning  the page's live loop */
  constructor(lightning) {
    this.lightning = lightning;
    byId("prompt-template-open").addEventListener("click", () => {
      lightning.actions.openBatch(lightning.request.prompt.trim().replace(/\s+/g, " "));
    });
  }

  /** @param {string} prompt */
  show(prompt) {
    const count = picturesOf(prompt, this.lightning.batch?.list.names ?? []);
    write(byId("prompt-template-says"), count ? text("prompt_template", { count }) : "");
    hide(byId("prompt-template-open"), !count);
  }
}
