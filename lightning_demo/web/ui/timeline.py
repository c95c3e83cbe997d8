"""The timeline below the picture: what has been painted in this browser, kept there alone."""

from __future__ import annotations

import gradio as gr

from ...studio.mp4 import can_film

TIMELINE = """
<section id="timeline" class="empty" data-text-aria-label="page.timeline">
  <button id="timeline-play" type="button" aria-pressed="false"
    data-text-aria-label="page.timeline.play" data-text-title="page.timeline.play"
    disabled></button>
  <div id="timeline-middle">
    <p data-text="page.timeline.empty"></p>
    <div id="timeline-strip"></div>
    <input id="timeline-scrub" type="range" min="0" max="0" value="0" step="1"
      data-text-aria-label="page.timeline.scrub" disabled>
  </div>
  <button id="timeline-more" type="button" aria-expanded="false" aria-controls="timeline-menu"
    data-text-aria-label="page.timeline.chosen" data-text-title="page.timeline.more"></button>
  <div id="timeline-menu" hidden>
    <label for="timeline-name" data-text="page.timeline.name"></label>
    <input id="timeline-name" maxlength="200" autocomplete="off" disabled>
    <div>
      <button id="timeline-pin" type="button" aria-pressed="false"
        data-text="page.timeline.pin" data-text-title="page.timeline.pin.title"
        disabled></button>
      <button id="timeline-remove" type="button" data-text="page.timeline.remove"
        disabled></button>
    </div>
    <button id="timeline-pair" type="button" aria-pressed="false"
      data-text="page.timeline.pair" data-text-title="page.timeline.pair.title"
      disabled></button>
    <h2 data-text="page.timeline.save"></h2>
    <div class="of-three">
      <button id="timeline-film" type="button"
        data-text="page.timeline.film" data-text-title="page.timeline.film.title"
        disabled {no_film}></button>
      <button id="timeline-gif" type="button" disabled>GIF</button>
      <button id="timeline-webp" type="button" disabled
        data-text-title="page.timeline.webp.title">WebP</button>
      <button id="timeline-sheet" type="button"
        data-text="page.timeline.sheet" data-text-title="page.timeline.sheet.title"
        disabled></button>
      <button id="timeline-track" type="button"
        data-text="page.timeline.track" data-text-title="page.timeline.track.title"
        disabled></button>
    </div>
    <div class="apart">
      <button id="timeline-open" type="button"
        data-text="page.timeline.open" data-text-title="page.timeline.open.title"></button>
      <button id="timeline-clear" type="button" data-text="timeline.forget"
        data-text-title="page.timeline.forget.title" disabled></button>
    </div>
    <input id="timeline-file" type="file" accept="application/json,.json" hidden>
    <p id="timeline-says" role="status"></p>
  </div>
</section>
"""


def timeline() -> gr.HTML:
    """The strip and its menu; `timeline.js` fills them."""
    html = TIMELINE.format(no_film="" if can_film() else "hidden")
    return gr.HTML(html, elem_id="timeline-panel")
