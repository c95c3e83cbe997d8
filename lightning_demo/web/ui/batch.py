"""The dialog for many pictures: a list, how far it is, and what came of it."""

from __future__ import annotations

import gradio as gr

BATCH = """
<dialog id="batch" aria-labelledby="batch-title">
  <header>
    <h2 id="batch-title" data-text="page.batch"></h2>
    <p data-text="batch.about"></p>
    <button type="button" id="batch-close" data-text-aria-label="close">&times;</button>
  </header>
  <form id="batch-list">
    <label for="batch-text" data-text="page.batch.list"></label>
    <textarea id="batch-text" rows="7" spellcheck="false" dir="auto"
      placeholder="a {red, blue} house at {sunset, night}&#10;a cat in the snow"></textarea>
    <p id="batch-defaults"></p>
    <div class="row">
      <button type="button" id="batch-choose-file" data-text="batch.open_file"></button>
      <button type="button" id="batch-choose-words" data-text="batch.no_lists"
        data-text-title="page.batch.words.title"></button>
      <label data-text="page.batch.read"><select id="batch-kind">
        <option value="" data-text="page.batch.read.looks"></option>
        <option value="text" data-text="page.batch.read.lines"></option>
        <option value="csv">CSV</option>
        <option value="jsonl">JSON Lines</option>
      </select></label>
      <label data-text="page.batch.format"><select id="batch-format">
        <option value="png">PNG</option>
        <option value="jpeg">JPEG</option>
        <option value="webp">WebP</option>
      </select></label>
      <button id="batch-check" data-text="page.batch.check"></button>
      <button type="button" id="batch-paint" data-text="paint.go" hidden></button>
    </div>
    <input id="batch-file" type="file" accept=".txt,.csv,.tsv,.jsonl,.ndjson" hidden>
    <input id="batch-words" type="file" accept=".txt" multiple hidden>
  </form>
  <section id="batch-run" data-text-aria-label="page.batch.run" hidden>
    <progress id="batch-progress" data-text-aria-label="page.batch.painted" max="1"
      value="0"></progress>
    <p id="batch-sums"></p>
    <div class="row">
      <button type="button" id="batch-go" data-text="paint.go"></button>
      <button type="button" id="batch-retry" data-text="page.batch.retry" hidden></button>
      <button type="button" id="batch-save" data-text="page.batch.save" disabled></button>
      <button type="button" id="batch-room" data-text="page.batch.room"
        data-text-title="page.batch.room.title" hidden disabled></button>
      <button type="button" id="batch-new" data-text="page.batch.new"></button>
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
