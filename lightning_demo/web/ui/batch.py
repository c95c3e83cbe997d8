"""The dialog for many pictures: a list, how far it is, and what came of it."""

from __future__ import annotations

import gradio as gr

BATCH = """
<dialog id="batch" aria-labelledby="batch-title">
  <header>
    <h2 id="batch-title">Batch</h2>
    <p>Many pictures from a list</p>
    <button type="button" id="batch-close" aria-label="Close">&times;</button>
  </header>
  <form id="batch-list">
    <label for="batch-text">A prompt a line; or CSV or JSON Lines with prompt, negative, seed, size,
      steps, count</label>
    <textarea id="batch-text" rows="7" spellcheck="false" dir="auto"
      placeholder="a {red, blue} house at {sunset, night}&#10;a cat in the snow"></textarea>
    <p id="batch-defaults"></p>
    <div class="row">
      <button type="button" id="batch-choose-file">Open a file</button>
      <button type="button" id="batch-choose-words"
        title="Text files, each a list: __animal__ in a prompt is a line of animal.txt"
        >Word lists</button>
      <label>read as <select id="batch-kind">
        <option value="">it looks like</option>
        <option value="text">lines</option>
        <option value="csv">CSV</option>
        <option value="jsonl">JSON Lines</option>
      </select></label>
      <label>pictures as <select id="batch-format">
        <option value="png">PNG</option>
        <option value="jpeg">JPEG</option>
        <option value="webp">WebP</option>
      </select></label>
      <button id="batch-check">Check</button>
      <button type="button" id="batch-paint" hidden>Paint</button>
    </div>
    <input id="batch-file" type="file" accept=".txt,.csv,.tsv,.jsonl,.ndjson" hidden>
    <input id="batch-words" type="file" accept=".txt" multiple hidden>
  </form>
  <section id="batch-run" aria-label="The batch" hidden>
    <progress id="batch-progress" aria-label="Painted" max="1" value="0"></progress>
    <p id="batch-sums"></p>
    <div class="row">
      <button type="button" id="batch-go">Paint</button>
      <button type="button" id="batch-retry" hidden>Paint the failed again</button>
      <button type="button" id="batch-save" disabled>Save the zip</button>
      <button type="button" id="batch-room" title="Lets go of the pictures that the zip holds"
        hidden disabled>Make room</button>
      <button type="button" id="batch-new">Another list</button>
    </div>
  </section>
  <p id="batch-says" role="status"></p>
  <div id="batch-rest">
    <ol id="batch-faults"></ol>
    <div id="batch-pictures"></div>
  </div>
</dialog>
"""


def batch() -> gr.HTML:
    """The dialog; `batch.js` fills and opens it."""
    return gr.HTML(BATCH, elem_id="batch-panel")
