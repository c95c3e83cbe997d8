"""What helps with a prompt: styles, how it is read, earlier ones, and the way to another."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import gradio as gr

from ...schemas import MAX_PROMPT_CHARACTERS, Style
from .controls import CONTROLS

# Short, from what people have found to work with this model.
TIPS = (
    "Say the subject first, then the place, then the light.",
    "(word:1.3) makes a word count more, [word] less.",
    "Keep the seed locked while you change words.",
    "Lightning is made for guidance 0; above 1 the negative prompt acts, at twice the time.",
    "Two steps are enough to look for an idea, four or eight to finish it.",
)

TOOLS = """
<section id="prompt-tools" aria-label="Tools for the prompt">
  <div id="prompt-tools-row">
    <label id="{style_id}">Style
      <select aria-describedby="style-preview">{options}</select></label>
    <button type="button" id="tokens" aria-expanded="false" aria-controls="tokens-read"
      title="How the prompt is read">&ndash; tokens</button>
    {more}
  </div>
  <p id="style-preview" dir="auto"></p>
  <p id="tokens-read" dir="auto" hidden></p>
  <p id="blend" hidden><span></span>
    <button type="button" id="blend-clear" aria-label="Without it">&times;</button></p>
  <p id="prompt-tip">{tip}</p>
</section>
"""

# What a public screen does not have: others' prompts, and what reaches its files.
MORE = """
    <button type="button" id="prompt-history-open" aria-haspopup="dialog">History</button>
    <button type="button" id="morph-open" aria-haspopup="dialog">Morph</button>
"""
DIALOGS = """
<dialog id="prompt-history" aria-labelledby="prompt-history-title">
  <header>
    <h2 id="prompt-history-title">Earlier prompts</h2>
    <button type="button" id="prompt-history-close" aria-label="Close">&times;</button>
  </header>
  <input id="prompt-history-search" type="search" aria-label="Search them" autocomplete="off"
    placeholder="Search" aria-controls="prompt-history-list" maxlength="200">
  <ul id="prompt-history-list" aria-label="Earlier prompts"></ul>
  <footer>
    <p id="prompt-history-says" role="status"></p>
    <button type="button" id="prompt-history-forget">Forget all</button>
  </footer>
</dialog>
<dialog id="morph" aria-labelledby="morph-title">
  <header>
    <h2 id="morph-title">Morph</h2>
    <button type="button" id="morph-close" aria-label="Close">&times;</button>
  </header>
  <form id="morph-form">
    <label>to <select id="morph-kind" aria-label="What it goes to">
      <option value="prompt">another prompt</option>
      <option value="seed">another seed</option>
    </select></label>
    <input id="morph-to" autocomplete="off" maxlength="{most}" aria-label="Prompt or seed">
    <label>in <select id="morph-count" aria-label="Pictures">
      <option>5</option><option selected>9</option><option>17</option></select></label>
    <button id="morph-go">Paint</button>
  </form>
  <figure><img id="morph-picture" alt="" hidden></figure>
  <input id="morph-at" type="range" min="0" max="8" value="0" disabled aria-label="How far">
  <div id="morph-strip"></div>
  <footer>
    <p id="morph-says" role="status"></p>
    <button type="button" id="morph-use" disabled>Use this one</button>
    <button type="button" id="morph-film" disabled>Save the film</button>
    <button type="button" id="morph-gif" disabled>Save as GIF</button>
  </footer>
</dialog>
"""


def prompt_tools(styles: Sequence[Style], *, kiosk: bool = False) -> gr.HTML:
    """The tools; `prompt_tools.js` fills them."""
    options = '<option value="">none</option>' + "".join(
        f'<option value="{escape(style.name)}">{escape(style.name)}</option>' for style in styles
    )
    html = TOOLS.format(
        style_id=CONTROLS["style"],
        options=options,
        tip=escape(TIPS[0]),
        more="" if kiosk else MORE,
    )
    if not kiosk:
        html += DIALOGS.format(most=MAX_PROMPT_CHARACTERS)
    return gr.HTML(html, elem_id="prompt-tools-panel")
