"""The words that the miniature knows, as buttons that put them into the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import gradio as gr


def word_chips(groups: Mapping[str, tuple[str, ...]], only_with: str = "") -> gr.HTML | None:
    """All words by group; nothing for a model that knows any word.

    Args:
        only_with: the model that knows them, where the page has more than one.
    """
    if not groups:
        return None
    rows = "".join(
        f'<div class="words"><h3 id="words-{place}">{escape(name.replace("_", " "))}</h3>'
        f'<div class="chips" role="group" aria-labelledby="words-{place}">'
        f"{''.join(_chip(word) for word in words)}</div></div>"
        for place, (name, words) in enumerate(groups.items())
    )
    return gr.HTML(
        "<section><h2>Words it knows</h2>"
        "<p>The miniature knows a small world. Click a word to use it; it replaces another "
        f"of its kind.</p>{rows}</section>",
        elem_id="words",
        elem_classes=shown_with(only_with),
    )


def shown_with(model: str) -> list[str]:
    """The classes of what `panel.js` shows only while `model` paints; none for no model."""
    return ["of-model", f"of-{model}", "away"] if model else []


def _chip(word: str) -> str:
    return f'<button type="button" class="chip" data-word="{escape(word)}">{escape(word)}</button>'
