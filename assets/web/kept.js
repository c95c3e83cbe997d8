// What this browser remembers of a visitor's choices; where it may not, it is known as long as the page.

const here = new Map();

/** @returns {string | null} */
export function kept(/** @type {string} */ name) {
  try {
    return here.get(name) ?? localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function keep(/** @type {string} */ name, /** @type {string} */ value) {
  here.set(name, value);
  try {
    localStorage.setItem(name, value);
  } catch {
    // as long as the page
  }
}
