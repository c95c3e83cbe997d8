"""The picture and what is written on it: a canvas in a box that keeps its place."""

from __future__ import annotations

import gradio as gr

STAGE = """
<figure id="stage" data-state="loading">
  <canvas id="canvas" role="img" aria-label="No picture yet"></canvas>
  <div id="veil">
    <p id="veil-text" role="status">Starting</p>
    <div id="progress"><i></i></div>
  </div>
  <span id="badge" hidden>Paused</span>
  <div id="steps-done" aria-hidden="true"></div>
</figure>
"""


def picture_stage() -> gr.HTML:
    """The canvas on which `live.js` paints."""
    return gr.HTML(STAGE, elem_id="picture")
