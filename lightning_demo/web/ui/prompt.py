"""The prompt: one large line, and examples to start from."""

from __future__ import annotations

from html import escape

import gradio as gr

from ...schemas import MAX_PROMPT_CHARACTERS
from .words import shown_with

FALLBACK_EXAMPLE = "a red house by the sea at sunset"
EXAMPLES_SHOWN = 6


def prompt_box(examples: tuple[str, ...]) -> gr.Textbox:
    """The prompt, with the first example in it, so that the first picture needs no typing."""
    return gr.Textbox(
        value=examples[0] if examples else FALLBACK_EXAMPLE,
        label="Prompt",
        show_label=False,
        placeholder="Type what you want to see",
        lines=2,
        max_lines=2,
        max_length=MAX_PROMPT_CHARACTERS,
        container=False,
        autofocus=True,
        elem_id="prompt",
        html_attributes=gr.InputHTMLAttributes(
            autocomplete="off", autocapitalize="off", spellcheck=False, enterkeyhint="done"
        ),
    )


def prompt_note() -> gr.HTML:
    """The line under the prompt that says what is wrong with it; there even when empty."""
    return gr.HTML(
        '<p id="prompt-note" role="status" aria-live="polite"></p>', elem_id="prompt-line"
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
        f'<h2 id="{title}">Examples</h2>'
        f'<div class="chips" role="group" aria-labelledby="{title}">{chips}</div>',
        elem_classes=["examples", *shown_with(only_with)],
    )
