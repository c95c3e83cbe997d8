// Files that the page gives away.

/**
 * Offers a Blob as a download.
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
}

/** The name of a picture's file, by its prompt and seed. @param {Pick<Asked, "prompt" | "seed">} request */
export function pictureName({ prompt, seed }) {
  const words = prompt.normalize("NFKD").toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return `${words.join("-").slice(0, 60) || "picture"}-${seed}.png`;
}
