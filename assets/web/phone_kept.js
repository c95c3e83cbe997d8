// What a phone keeps of itself, by the code of a hall: a page that is loaded again goes on.

const NAME = "lightning-audience";

/** @typedef {{ token: string, prompt: string, seed: number, name?: string }} Kept */

/** What is kept; nothing where that is not allowed. @param {string} code @returns {Partial<Kept>} */
export function read(code) {
  try {
    return JSON.parse(localStorage.getItem(`${NAME}-${code}`) ?? "{}");
  } catch {
    return {};
  }
}

/** @param {string} code @param {Kept} kept */
export function write(code, kept) {
  try {
    localStorage.setItem(`${NAME}-${code}`, JSON.stringify(kept));
  } catch {
    // it is known for as long as the page is open
  }
}
