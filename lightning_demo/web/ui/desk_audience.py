"""The audience on the presenter's desk: who is there, what they have sent, and the switches."""

from __future__ import annotations

AUDIENCE = """
    <section id="desk-audience" aria-labelledby="desk-audience-title">
      <h2 id="desk-audience-title" data-text="hall.title"></h2>
      <p id="desk-phones" role="status"></p>
      <div class="desk-row">
        <button type="button" id="desk-hall-open" aria-pressed="true"
          data-text="hall.open"></button>
        <label class="desk-check" data-text="page.hall.code"><select id="desk-hall-code">
          <option value="none" data-text="page.hall.code.none"></option>
          <option value="corner" data-text="page.hall.code.corner"></option>
          <option value="large" data-text="page.hall.code.large"></option></select></label>
      </div>
      <p id="desk-join" dir="ltr"></p>
      <label class="desk-check" id="desk-addresses" data-text="page.hall.address" hidden><select
        id="desk-hall-address"></select></label>
      <ul id="desk-tray" data-text-aria-label="page.hall.tray"></ul>
      <p id="desk-tray-empty" data-text="page.hall.tray.empty"></p>
      <label class="desk-check" data-text="page.hall.approval"><input
        type="checkbox" id="desk-hall-approval" checked></label>
      <label class="desk-check" data-text="page.hall.anonymous"><input
        type="checkbox" id="desk-hall-anonymous"></label>
      <label class="desk-check" data-text="page.hall.votes"><input
        type="checkbox" id="desk-hall-votes"></label>
      <details id="desk-shown" hidden><summary data-text="page.hall.shown"></summary>
        <ul id="desk-released"></ul>
        <div class="desk-row"><button type="button" id="desk-zip"
            data-text="page.hall.zip"></button>
          <button type="button" id="desk-sheet"
            data-text="page.hall.sheet"></button></div>
        <p id="desk-gallery-problem" role="alert"></p>
      </details>
    </section>
"""
