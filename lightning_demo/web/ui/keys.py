"""The keyboard's map: a dialog with what keys do here."""

from __future__ import annotations

import gradio as gr

KEYS = """
<dialog id="keys" aria-labelledby="keys-title">
  <header>
    <h2 id="keys-title" data-text="keys.title"></h2>
    <button type="button" id="keys-close" data-text-aria-label="close">&times;</button>
  </header>
  <div id="keys-list"></div>
  <label><input type="checkbox" id="keys-single">
    <span data-text="keys.switch"></span></label>
</dialog>
"""


def keyboard_map() -> gr.HTML:
    """The dialog; `keys.js` fills it from its list, and opens it."""
    return gr.HTML(KEYS, elem_id="keys-panel")
