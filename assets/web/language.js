// Which language the visitor reads, and how markup gets its words. A script that needs no other: the
// page that Gradio makes has it in its head (ui/words.py), text.js imports it.

globalThis.inLanguage = (() => {
  const KEPT = "lightning-language";
  /** Every language by its own name. @type {Record<string, string>} */
  const NAMES = { en: "English", de: "Deutsch", zh: "中文" };

  /** The visitor's choice; else the first of the browser's languages that there is. */
  function chosen() {
    /** @type {string | null} */
    let kept = null;
    try {
      kept = localStorage.getItem(KEPT);
    } catch {
      // a browser that keeps nothing
    }
    const wanted = [kept, ...(globalThis.navigator?.languages ?? [])];
    const found = wanted.map((each) => (each ?? "").toLowerCase().split("-")[0]).find((each) => each in NAMES);
    return found ?? "en";
  }

  const code = chosen();

  /**
   * Fills in what is marked: data-text, and data-text-title for an attribute. A text has {0} where
   * the element's first child belongs, {1} for the second; data-month="2026-11" is that month.
   * @param {ParentNode} root
   * @param {(key: string) => string} text
   */
  function fill(root, text) {
    for (const each of root.querySelectorAll("*")) {
      for (const { name, value } of [...each.attributes]) {
        if (name === "data-text") each.replaceChildren(...parts(text(value), [...each.children]));
        else if (name === "data-month") each.textContent = month(value);
        else if (name.startsWith("data-text-")) each.setAttribute(name.slice("data-text-".length), text(value));
      }
    }
  }

  /** @param {string} words @param {Element[]} children */
  const parts = (words, children) => words.split(/\{(\d)\}/).map((each, place) => (place % 2 ? children[Number(each)] : each));

  /** @param {string} date */
  const month = (date) => new Intl.DateTimeFormat(code, { month: "long", year: "numeric", timeZone: "UTC" }).format(new Date(date));

  /** What the languages are chosen by; text.js makes it work. @param {string} label */
  function choice(label) {
    const select = document.createElement("select");
    select.className = "language";
    select.setAttribute("aria-label", label);
    for (const [each, name] of Object.entries(NAMES)) select.append(new Option(name, each, each === code, each === code));
    for (const option of select.options) option.lang = option.value;
    return select;
  }

  return { KEPT, NAMES, code, tag: code === "zh" ? "zh-Hans" : code, fill, choice };
})();
