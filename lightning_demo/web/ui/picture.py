"""The picture, one quiet line about how it goes, and what can be done with it."""

from __future__ import annotations

import gradio as gr

STAGE = """
<figure id="stage" data-state="loading">
  <canvas id="canvas" role="img" data-text-aria-label="stage.no_picture"></canvas>
  <div id="veil">
    <p id="veil-text" role="status" data-text="picture.starting"></p>
    <div id="progress"><i></i></div>
  </div>
  <span id="badge" data-text="picture.paused" hidden></span>
  <div id="steps-done" aria-hidden="true"></div>
</figure>
"""

LINE = """
<div id="line">
  <div id="state-side"><span id="state" data-state="loading"></span><span id="about"></span>
    <span id="drafting"></span></div>
  <div id="age"></div>
  <button id="times" type="button" aria-expanded="false" aria-controls="waterfall"
    data-text-title="picture.times">
    <span class="number"><span data-text="stage.first"></span> <b id="first-paint">&ndash;</b>
      <span data-text="stage.ms"></span></span>
    <span class="number"><span data-text="stage.final"></span> <b id="final">&ndash;</b>
      <span data-text="stage.ms"></span></span>
    <canvas id="trace" role="img" data-text-aria-label="picture.trace"></canvas>
  </button>
</div>
<section id="waterfall" aria-labelledby="waterfall-title" hidden>
  <h2>
    <span id="waterfall-title" data-text="picture.last"></span>
    <span id="waterfall-sum" data-text="picture.to_come"></span>
  </h2>
  <button id="waterfall-close" type="button" data-text-aria-label="close">&times;</button>
  <ol></ol>
</section>
<div id="said">
  <p id="note" role="status" aria-live="polite"></p>
  <p id="place"></p>
  <div id="loading-model" hidden>
    <p>
      <span id="loading-words"><span id="loading-title"></span><span class="roomy">
        <span data-text="picture.is_loading"></span></span><span id="loading-detail"></span></span>
      <span id="loading-percent"></span>
    </p>
    <div id="loading-bar" role="progressbar" aria-labelledby="loading-words" hidden><i></i></div>
  </div>
</div>
"""


def picture_stage() -> gr.HTML:
    """The canvas on which `painter.js` paints, in a box that keeps its place."""
    return gr.HTML(STAGE, elem_id="picture")


def status_line() -> gr.HTML:
    """Model, device, times and age, and below what is to be said; `panel.js` keeps it true."""
    return gr.HTML(LINE, elem_id="status")


def action_buttons(*, kiosk: bool = False) -> None:
    """Pause, save, share, and open a saved picture's settings; `actions.js` acts on them.

    Args:
        kiosk: without what reaches the files, the clipboard and the address of that computer.
    """
    with gr.Row(elem_id="actions"):
        gr.Button("live.pause", elem_id="pause", min_width=0)
        if kiosk:
            return
        gr.Button("page.download", elem_id="download", min_width=0)
        gr.Button("page.link", elem_id="link", min_width=0)
        gr.Button("page.compare", elem_id="compare-open", min_width=0)
        gr.Button("page.batch", elem_id="batch-open", min_width=0)
        gr.Button("page.from_picture", elem_id="from-picture", min_width=0)
