"""The dialog that compares one prompt under varied settings."""

from __future__ import annotations

import gradio as gr

COMPARE = """
<dialog id="compare" aria-labelledby="compare-title">
  <header>
    <h2 id="compare-title">Compare</h2>
    <p id="compare-prompt" dir="auto"></p>
    <button type="button" id="compare-close" aria-label="Close">&times;</button>
  </header>
  <form id="compare-form">
    <label>across <select id="compare-across" aria-label="What varies across"></select></label>
    <input id="compare-across-values" aria-label="Values across" autocomplete="off"
      maxlength="2000">
    <label>down <select id="compare-down" aria-label="What varies down"></select></label>
    <input id="compare-down-values" aria-label="Values down" autocomplete="off"
      maxlength="2000">
    <button id="compare-go">Paint</button>
  </form>
  <p id="compare-says" role="status"></p>
  <div id="compare-grid"></div>
  <figure id="compare-pair" hidden>
    <div><img id="compare-first" alt=""><img id="compare-second" alt=""></div>
    <input id="compare-split" type="range" min="0" max="100" value="50"
      aria-label="Where the second picture begins">
    <figcaption id="compare-pair-words" dir="auto"></figcaption>
  </figure>
  <footer>
    <label>zoom <input id="compare-zoom" type="range" min="1" max="4" step="0.1" value="1"></label>
    <button type="button" id="compare-use" title="Go on typing from the chosen one"
      disabled>Use this one</button>
    <button type="button" id="compare-slide" title="Choose two pictures first"
      disabled>Slide between two</button>
    <button type="button" id="compare-save" disabled>Save the sheet</button>
    <button type="button" id="compare-zip" title="Each picture as a file" disabled>Zip</button>
  </footer>
</dialog>
"""


def compare() -> gr.HTML:
    """The dialog; `compare.js` fills and opens it."""
    return gr.HTML(COMPARE, elem_id="compare-panel")
