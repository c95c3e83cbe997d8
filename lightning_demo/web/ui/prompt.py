"""The prompt: one large line; examples to start from, and the words that the miniature knows."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import gradio as gr

from ...schemas import MAX_PROMPT_CHARACTERS
from .controls import CONTROLS

FALLBACK_EXAMPLE = "a red house by the sea at sunset"
EXAMPLES_SHOWN = 6


def prompt_box(examples: tuple[str, ...]) -> gr.Textbox:
    """The prompt, with the first example in it, so that the first picture needs no typing."""
    return gr.Textbox(
        value=examples[0] if examples else FALLBACK_EXAMPLE,
        label="page.prompt",
        show_label=False,
        placeholder="page.prompt.placeholder",
        lines=2,
        max_lines=2,
        max_length=MAX_PROMPT_CHARACTERS,
        container=False,
        autofocus=True,
        elem_id=CONTROLS["prompt"],
        interactive=True,
        html_attributes=gr.InputHTMLAttributes(
            autocomplete="off", autocapitalize="off", spellcheck=False, enterkeyhint="done"
        ),
    )


# In the same line; `prompt_template.js` fills it. A public screen has no batch.
TEMPLATE = (
    '<div id="prompt-template"><span id="prompt-template-says" role="status"></span>'
    '<button type="button" id="prompt-template-open" aria-haspopup="dialog"'
    ' data-text="page.template.open" data-text-title="page.template.open.title"'
    " hidden></button></div>"
)


def prompt_note(*, kiosk: bool = False) -> gr.HTML:
    """The line under the prompt that says what is wrong with it; there even when empty.

    What Tab does there is only read aloud, when the prompt is reached.
    """
    return gr.HTML(
        '<p id="prompt-note" role="status" aria-live="polite"></p>'
        '<p id="prompt-hint" data-text="page.prompt.hint" hidden></p>'
        f"{'' if kiosk else TEMPLATE}",
        elem_id="prompt-line",
    )


def example_chips(examples: tuple[str, ...], only_with: str = "") -> gr.HTML | None:
    """Buttons that put a whole example into the prompt; `only_with` as in `word_chips`."""
    if len(examples) < 2:
        return None
    chips = "".join(
        f'<button type="button" class="chip" data-example="{escape(text)}">{escape(text)}</button>'
        for text in examples[:EXAMPLES_SHOWN]
    )
    title = f"examples-title{only_with}"
    return gr.HTML(
        f'<h2 id="{title}" data-text="page.examples"></h2>'
        f'<div class="chips" role="group" aria-labelledby="{title}">{chips}</div>',
        elem_classes=["examples", *shown_with(only_with)],
    )


def word_chips(groups: Mapping[str, tuple[str, ...]], only_with: str = "") -> gr.HTML | None:
    """All words by group; nothing for a model that knows any word.

    Args:
        only_with: the model that knows them, where the page has more than one.
    """
    if not groups:
        return None
    rows = "".join(
        f'<div class="words"><h3 id="words-{place}" data-text="page.words.{escape(name)}"></h3>'
        f'<div class="chips" role="group" aria-labelledby="words-{place}">'
        f"{''.join(_chip(word) for word in words)}</div></div>"
        for place, (name, words) in enumerate(groups.items())
    )
    return gr.HTML(
        '<section><h2 data-text="page.words"></h2><p data-text="page.words.about"></p>'
        f"{rows}</section>",
        elem_id="words",
        elem_classes=shown_with(only_with),
    )


def shown_with(model: str) -> list[str]:
    """The classes of what `panel.js` shows only while `model` paints; none for no model."""
    return ["of-model", f"of-{model}", "away"] if model else []


def _chip(word: str) -> str:
    return f'<button type="button" class="chip" data-word="{escape(word)}">{escape(word)}</button>'
