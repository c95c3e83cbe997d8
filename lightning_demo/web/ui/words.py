"""The page's words: its components have keys for them, which the browser exchanges before all else.

The words stand in `assets/web/text_en.js` and its like: JSON but for the lines before. A label, an
info text, a placeholder, a value or a choice may be a key; HTML marks its elements as all of our
pages do (`fill` in `language.js`). Gradio's own I18n knows no parts of HTML and no choice that a
visitor has made: it reads the browser's language before any script of ours can run.
"""

from __future__ import annotations

import json
import re

import gradio as gr

from ...settings import ASSETS

FILES = ASSETS / "web"
LANGUAGES = tuple(sorted(path.stem.removeprefix("text_") for path in FILES.glob("text_*.js")))
SCRIPTS = ("language.js", "page_words.js")  # in this order

_KEY = re.compile(r"[a-z]\w*(?:\.\w+)*")


def words(language: str) -> dict[str, str]:
    """All that is read on the pages, by key."""
    text = (FILES / f"text_{language}.js").read_text(encoding="utf-8")
    return json.loads(text[text.index("{\n") : text.rindex("}") + 1])


def head(blocks: gr.Blocks) -> str:
    """What the page's head holds: the scripts, and in each language the words of these Blocks."""
    named = set(_KEY.findall(json.dumps(blocks.get_config_file(), default=str))) | {"language"}
    used = {
        language: {key: said for key, said in words(language).items() if key in named}
        for language in LANGUAGES
    }
    scripts = "\n".join((FILES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    # As JSON within a script; a word that ends it would end the script.
    told = json.dumps(used, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"<script>{scripts}\nfillPage({told});</script>"
