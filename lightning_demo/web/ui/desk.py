"""The presenter's desk: closed at first; opened, it asks for a wall and says what that shows."""

from __future__ import annotations

import gradio as gr

from .desk_audience import AUDIENCE
from .desk_battle import BATTLE

DESK = """
<details id="desk">
  <summary data-text="page.desk"></summary>
  <form id="desk-login" hidden>
    <label for="desk-password" data-text="page.desk.password"></label>
    <div class="desk-row"><input id="desk-password" type="password" autocomplete="current-password">
      <button data-text="page.desk.present"></button></div>
  </form>
  <p id="desk-problem" role="alert"></p>
  <button id="desk-here" type="button" data-text="page.desk.here" hidden></button>
  <div id="desk-on" hidden>
    <figure id="desk-wall" data-state="live">
      <div><canvas id="desk-picture" role="img"
        data-text-aria-label="page.desk.wall"></canvas></div>
      <p id="desk-caption" dir="auto"></p>
      <span id="desk-state" role="status" data-text="desk.wall.live"></span>
    </figure>
    <div class="desk-row large">
      <button type="button" id="desk-blank" aria-pressed="false" data-text="page.desk.blank"
        data-text-title="page.desk.blank.title"></button>
      <button type="button" id="desk-freeze" aria-pressed="false" data-text="page.desk.freeze"
        data-text-title="page.desk.freeze.title"></button>
    </div>
    <div id="desk-door">
      <p><span data-text="page.desk.code"></span> <output id="desk-code"></output></p>
      <button type="button" id="desk-open" data-text="page.desk.open"></button>
      <p id="desk-address"></p>
      <p id="desk-screens" role="status"></p>
    </div>
    {audience}{battle}
    <section aria-labelledby="desk-script-title">
      <h2 id="desk-script-title" data-text="script.title"></h2>
      <p id="desk-line" dir="auto"></p>
      <p id="desk-next-line" dir="auto"></p>
      <div class="desk-row">
        <button type="button" id="desk-previous" data-text="page.desk.previous"
          data-text-title="page.desk.previous.title"></button>
        <button type="button" id="desk-next" data-text="page.desk.next"
          data-text-title="page.desk.next.title"></button>
        <button type="button" id="desk-type" data-text="desk.type"
          data-text-title="page.desk.type.title"></button>
      </div>
      <div class="desk-row">
        <label class="desk-check" data-text="page.desk.types"><input
          type="checkbox" id="desk-types"></label>
        <button type="button" id="desk-load" data-text="batch.open_file"></button>
      </div>
      <p id="desk-script-problem" role="alert"></p>
    </section>
    <section aria-labelledby="desk-timer-title">
      <h2 id="desk-timer-title" data-text="page.desk.timer"></h2>
      <div class="desk-row">
        <output id="desk-time" role="timer">0:00</output>
        <button type="button" id="desk-start" data-text="timer.start"></button>
        <button type="button" id="desk-reset" data-text="page.desk.reset"></button>
        <label class="desk-check" data-text="page.desk.minutes"><input type="number"
          id="desk-minutes" min="0" max="999" step="1" inputmode="numeric" placeholder="0"></label>
      </div>
    </section>
    <section aria-labelledby="desk-look-title">
      <h2 id="desk-look-title" data-text="page.desk.look"></h2>
      <label class="desk-check" data-text="page.desk.words"><select id="desk-words">
        <option value="beside" data-text="page.desk.words.beside"></option>
        <option value="over" data-text="page.desk.words.over"></option>
        <option value="none" data-text="page.desk.words.none"></option></select></label>
      <label class="desk-check" data-text="page.desk.crossfade"><input
        type="checkbox" id="desk-crossfade"></label>
      <label class="desk-check" data-text="page.desk.surround"><input
        type="checkbox" id="desk-surround"></label>
      <label class="desk-check" data-text="page.desk.previews"><input
        type="checkbox" id="desk-previews"></label>
      <label class="desk-check" data-text="page.desk.figures"><input
        type="checkbox" id="desk-figures"></label>
      <h2 data-text="page.desk.you"></h2>
      <label class="desk-check" data-text="page.desk.big"><input type="checkbox"
        id="desk-big"></label>
    </section>
    <table id="desk-keys">
      <caption data-text="page.desk.keys"></caption>
      <tbody>
        <tr><th scope="row"><kbd>Page&nbsp;&darr;</kbd> <kbd>Page&nbsp;&uarr;</kbd></th>
          <td data-text="keys.lines"></td></tr>
        <tr><th scope="row" data-text="page.desk.keys.either"><kbd>B</kbd><kbd>.</kbd></th>
          <td data-text="keys.blank"></td></tr>
        <tr><th scope="row"><kbd>F</kbd></th><td data-text="page.desk.keys.freeze"></td></tr>
      </tbody>
      <tfoot><tr><td colspan="2" data-text="page.desk.keys.field"><kbd>Alt</kbd
        ><kbd>F</kbd></td></tr></tfoot>
    </table>
  </div>
</details>
"""


def desk_panel(*, audience: bool = False) -> gr.HTML:
    """The panel; `desk.js` fills it.

    Args:
        audience: whether phones take part.
    """
    panel = DESK.replace("{audience}", AUDIENCE if audience else "").replace("{battle}", BATTLE)
    return gr.HTML(panel, elem_id="desk-panel")
