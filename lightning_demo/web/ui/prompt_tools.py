"""What helps with a prompt: styles, how it is read, earlier ones, and the way to another."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import gradio as gr

from ...schemas import MAX_PROMPT_CHARACTERS, Style
from ...studio.mp4 import can_film
from .controls import CONTROLS

# Keys of what people have found to work with this model; short.
TIPS = (
    "page.tip.subject",
    "page.tip.weights",
    "page.tip.seed",
    "page.tip.guidance",
    "page.tip.steps",
)

TOOLS = """
<section id="prompt-tools" data-text-aria-label="page.tools">
  <div id="prompt-tools-row">
    <label id="{style_id}" data-text="page.style">
      <select aria-describedby="style-preview">{options}</select></label>
    <button type="button" id="tokens" aria-expanded="false" aria-controls="tokens-read"
      data-text="page.tokens" data-text-title="tokens.read"></button>
    {more}
  </div>
  <p id="style-preview" dir="auto"></p>
  <p id="tokens-read" dir="auto" hidden></p>
  <p id="blend" hidden><span></span>
    <button type="button" id="blend-clear" data-text-aria-label="page.blend.clear"
      >&times;</button></p>
  <p id="prompt-tip" data-text="{tip}"></p>
</section>
"""

# What a public screen does not have: others' prompts, and what reaches its files.
MORE = """
    <button type="button" id="prompt-history-open" aria-haspopup="dialog"
      data-text="page.history"></button>
    <button type="button" id="morph-open" aria-haspopup="dialog"
      data-text="page.morph"></button>
"""
DIALOGS = """
<dialog id="prompt-history" aria-labelledby="prompt-history-title">
  <header>
    <h2 id="prompt-history-title" data-text="page.history.title"></h2>
    <button type="button" id="prompt-history-close" data-text-aria-label="close">&times;</button>
  </header>
  <input id="prompt-history-search" type="search" autocomplete="off"
    data-text-aria-label="page.history.search" data-text-placeholder="page.history.search_short"
    aria-controls="prompt-history-list" maxlength="200">
  <ul id="prompt-history-list" data-text-aria-label="page.history.title"></ul>
  <footer>
    <p id="prompt-history-says" role="status"></p>
    <button type="button" id="prompt-history-forget"
      data-text="page.forget"></button>
  </footer>
</dialog>
<dialog id="morph" aria-labelledby="morph-title">
  <header>
    <h2 id="morph-title" data-text="page.morph"></h2>
    <button type="button" id="morph-close" data-text-aria-label="close">&times;</button>
  </header>
  <form id="morph-form">
    <label data-text="page.morph.to"><select id="morph-kind"
      data-text-aria-label="page.morph.kind">
      <option value="prompt" data-text="page.morph.prompt"></option>
      <option value="seed" data-text="page.morph.seed"></option>
    </select></label>
    <input id="morph-to" autocomplete="off" maxlength="{most}"
      data-text-aria-label="page.morph.target">
    <label data-text="page.morph.in"><select id="morph-count"
      data-text-aria-label="page.pictures">
      <option>5</option><option selected>9</option><option>17</option></select></label>
    <button id="morph-go" data-text="paint.go"></button>
  </form>
  <figure><img id="morph-picture" alt="" hidden></figure>
  <input id="morph-at" type="range" min="0" max="8" value="0" disabled
    data-text-aria-label="page.morph.far">
  <div id="morph-strip"></div>
  <footer>
    <p id="morph-says" role="status"></p>
    <button type="button" id="morph-use" data-text="page.use" disabled></button>
    <button type="button" id="morph-film" data-text="page.morph.film" disabled
      {no_film}></button>
    <button type="button" id="morph-gif" data-text="page.morph.gif" disabled></button>
  </footer>
</dialog>
"""


def prompt_tools(styles: Sequence[Style], *, kiosk: bool = False) -> gr.HTML:
    """The tools; `prompt_tools.js` fills them."""
    options = '<option value="" data-text="page.style.none"></option>' + "".join(
        f'<option value="{escape(style.name)}">{escape(style.name)}</option>' for style in styles
    )
    html = TOOLS.format(
        style_id=CONTROLS["style"],
        options=options,
        tip=TIPS[0],
        more="" if kiosk else MORE,
    )
    if not kiosk:
        html += DIALOGS.format(most=MAX_PROMPT_CHARACTERS, no_film="" if can_film() else "hidden")
    return gr.HTML(html, elem_id="prompt-tools-panel")
