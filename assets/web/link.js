// A request as a link to the page, and back: links of older versions are read, too.

/** The fields of a request that no control shows, and what they are made of in a link. */
export const BLEND = { variation_seed: Number, variation_strength: Number, morph_prompt: String, morph_strength: Number };

/**
 * The fields that a link says; numbers where the page has numbers, as long as they are some.
 * @template {object} Known
 * @param {string} search  of the link
 * @param {Known} known  the page's own values
 * @returns {Partial<Asked>}
 */
export function ofLink(search, known) {
  const link = new URLSearchParams(search);
  /** @type {Record<string, unknown>} */
  const found = {};
  for (const [name, value] of Object.entries(known)) {
    const said = link.get(name);
    if (said === null) continue;
    const number = typeof value === "number" && said.trim() && isFinite(Number(said));
    found[name] = number ? Number(said) : said;
  }
  for (const [name, kind] of Object.entries(BLEND)) if (link.has(name)) found[name] = kind(link.get(name));
  return found;
}

/**
 * A link to the page with a request in it.
 * @param {string} address  of the page, with what else stands in it
 * @param {Partial<Asked>} request
 */
export function asLink(address, request) {
  const url = new URL(address);
  const none = Object.fromEntries(Object.keys(BLEND).map((name) => [name, ""]));
  for (const [name, value] of Object.entries({ ...none, ...request })) {
    if (value === "" || value == null) url.searchParams.delete(name);
    else url.searchParams.set(name, String(value));
  }
  return url.href;
}
