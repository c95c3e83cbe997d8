// The visitor's clipboard, as far as the page may write to it.

/** Puts a text there; whether it could. @param {string} words */
export async function copy(words) {
  try {
    await navigator.clipboard.writeText(words); // only where the page is served securely
    return true;
  } catch {
    const field = Object.assign(document.createElement("textarea"), { value: words });
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}
