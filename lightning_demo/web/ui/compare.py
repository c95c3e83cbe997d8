"""The dialog that compares one prompt under varied settings."""

from __future__ import annotations

import gradio as gr

COMPARE = """
<dialog id="compare" aria-labelledby="compare-title">
  <header>
    <h2 id="compare-title" data-text="page.compare"></h2>
    <p id="compare-prompt" dir="auto"></p>
    <button type="button" id="compare-close" data-text-aria-label="close">&times;</button>
  </header>
  <form id="compare-form">
    <label data-text="page.compare.across"><select id="compare-across"
      data-text-aria-label="page.compare.across.what"></select></label>
    <input id="compare-across-values" autocomplete="off" maxlength="2000"
      data-text-aria-label="page.compare.across.values">
    <label data-text="page.compare.down"><select id="compare-down"
      data-text-aria-label="page.compare.down.what"></select></label>
    <input id="compare-down-values" autocomplete="off" maxlength="2000"
      data-text-aria-label="page.compare.down.values">
    <button id="compare-go" data-text="paint.go"></button>
  </form>
  <p id="compare-says" role="status"></p>
  <div id="compare-grid"></div>
  <figure id="compare-pair" hidden>
    <div><img id="compare-first" alt=""><img id="compare-second" alt=""></div>
    <input id="compare-split" type="range" min="0" max="100" value="50"
      data-text-aria-label="page.compare.split">
    <figcaption id="compare-pair-words" dir="auto"></figcaption>
  </figure>
  <footer>
    <label data-text="page.compare.zoom"><input id="compare-zoom" type="range" min="1" max="4"
      step="0.1" value="1"></label>
    <button type="button" id="compare-use" data-text="page.use"
      data-text-title="page.compare.use.title" disabled></button>
    <button type="button" id="compare-slide" data-text="page.compare.slide"
      data-text-title="page.compare.slide.title" disabled></button>
    <button type="button" id="compare-save" data-text="page.compare.save"
      disabled></button>
    <button type="button" id="compare-zip" data-text="page.compare.zip"
      data-text-title="page.compare.zip.title" disabled></button>
  </footer>
</dialog>
"""


def compare() -> gr.HTML:
    """The dialog; `compare.js` fills and opens it."""
    return gr.HTML(COMPARE, elem_id="compare-panel")
