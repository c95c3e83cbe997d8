// JSON that a stranger has written: read without a fuss, and told apart by what it is.

/** @typedef {Record<string, unknown>} Fields */

/** @param {unknown} value @returns {value is string} */
export const isText = (value) => typeof value === "string";
/** @param {unknown} value @returns {value is Fields} */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * JSON, also with the infinities that Python writes; undefined where it is none.
 * @param {string | undefined} text
 * @returns {unknown}
 */
export function parsed(text) {
  if (!text) return undefined;
  for (const each of [text, text.replace(/([[,:]\s*)(?:NaN|-?Infinity)(?=\s*[\],}])/g, "$1null")]) {
    try {
      return JSON.parse(each);
    } catch {
      // Then the other.
    }
  }
  return undefined;
}
