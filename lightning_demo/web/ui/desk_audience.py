"""The audience on the presenter's desk: who is there, what they have sent, and the switches."""

from __future__ import annotations

AUDIENCE = """
    <section id="desk-audience" aria-labelledby="desk-audience-title">
      <h2 id="desk-audience-title">Audience</h2>
      <p id="desk-phones" role="status"></p>
      <div class="desk-row">
        <button type="button" id="desk-hall-open" aria-pressed="true">Open</button>
        <label class="desk-check">QR code <select id="desk-hall-code">
          <option value="none">not shown</option>
          <option value="corner">in a corner</option>
          <option value="large">large</option></select></label>
      </div>
      <p id="desk-join" dir="ltr"></p>
      <label class="desk-check" id="desk-addresses" hidden>address <select id="desk-hall-address">
        </select></label>
      <ul id="desk-tray" aria-label="Pictures that wait for you"></ul>
      <p id="desk-tray-empty">What the audience sends comes here first.</p>
      <label class="desk-check"><input type="checkbox" id="desk-hall-approval" checked>nothing is
        shown before I release it</label>
      <label class="desk-check"><input type="checkbox" id="desk-hall-anonymous">leave out who
        painted it</label>
      <label class="desk-check"><input type="checkbox" id="desk-hall-votes">show votes on the
        wall</label>
      <details id="desk-shown" hidden><summary>Shown so far</summary>
        <ul id="desk-released"></ul>
        <div class="desk-row"><button type="button" id="desk-zip">Save all (zip)</button>
          <button type="button" id="desk-sheet">Contact sheet</button></div>
        <p id="desk-gallery-problem" role="alert"></p>
      </details>
    </section>
"""
