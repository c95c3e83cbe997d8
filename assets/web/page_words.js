// Puts the visitor's language into what Gradio is about to show: its components come with keys of
// text_en.js for words. In the page's head, which Gradio waits for (ui/words.py).

/** @param {Record<string, Record<string, string>>} words  by language and key */
globalThis.fillPage = (words) => {
  const { code, tag, fill, choice } = globalThis.inLanguage;
  const said = (/** @type {string} */ key) => words[code][key] ?? key;
  const filled = (/** @type {string} */ html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    fill(template.content, said);
    template.content.querySelector("[data-language]")?.replaceWith(choice(said("language")));
    return template.innerHTML;
  };
  for (const { props } of globalThis.gradio_config.components) {
    for (const [name, value] of Object.entries(props)) {
      if (name === "choices") for (const each of /** @type {string[][]} */ (value)) each[0] = said(each[0]);
      else if (typeof value !== "string") continue;
      else if (/^\w+(\.\w+)+$/.test(value)) props[name] = said(value);
      else if (/ data-(text|language|month)/.test(value)) props[name] = filled(value);
    }
  }
  document.documentElement.lang = tag;
};
