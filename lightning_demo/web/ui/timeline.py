"""The timeline below the picture: what has been painted in this browser, kept there alone."""

from __future__ import annotations

import gradio as gr

TIMELINE = """
<section id="timeline" class="empty" aria-label="Timeline">
  <button id="timeline-play" type="button" aria-pressed="false" aria-label="Play it back"
    title="Play it back" disabled></button>
  <div id="timeline-middle">
    <p>Every finished picture is kept here, in your browser.</p>
    <div id="timeline-strip"></div>
    <input id="timeline-scrub" type="range" min="0" max="0" value="0" step="1"
      aria-label="Earlier pictures" disabled>
  </div>
  <button id="timeline-more" type="button" aria-expanded="false" aria-controls="timeline-menu"
    aria-label="The picture in the timeline" title="Name, pin, save"></button>
  <div id="timeline-menu" hidden>
    <label for="timeline-name">Name of this picture</label>
    <input id="timeline-name" maxlength="200" autocomplete="off" disabled>
    <div>
      <button id="timeline-pin" type="button" aria-pressed="false"
        title="It stays when room is made for new ones" disabled>Pin</button>
      <button id="timeline-remove" type="button" disabled>Remove</button>
    </div>
    <h2>Save all of them as</h2>
    <div class="of-three">
      <button id="timeline-film" type="button"
        title="A film of the sentence being typed; takes as long as it lasts" disabled>Film</button>
      <button id="timeline-gif" type="button" disabled>GIF</button>
      <button id="timeline-webp" type="button" title="A moving picture, smaller than a GIF"
        disabled>WebP</button>
      <button id="timeline-sheet" type="button"
        title="Pictures with their words on one sheet" disabled>Sheet</button>
      <button id="timeline-track" type="button"
        title="Every request with its seed, to be painted again" disabled>Track</button>
    </div>
    <div class="apart">
      <button id="timeline-open" type="button"
        title="Paints a saved track again">Open a track</button>
      <button id="timeline-clear" type="button" title="But those that are pinned"
        disabled>Forget all</button>
    </div>
    <input id="timeline-file" type="file" accept="application/json,.json" hidden>
    <p id="timeline-says" role="status"></p>
  </div>
</section>
"""


def timeline() -> gr.HTML:
    """The strip and its menu; `timeline.js` fills them."""
    return gr.HTML(TIMELINE, elem_id="timeline-panel")
