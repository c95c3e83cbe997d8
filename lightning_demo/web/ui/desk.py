"""The presenter's desk: closed at first; opened, it asks for a wall and says what that shows."""

from __future__ import annotations

import gradio as gr

from .desk_audience import AUDIENCE
from .desk_battle import BATTLE

DESK = """
<details id="desk">
  <summary>Presenter's desk</summary>
  <form id="desk-login" hidden>
    <label for="desk-password">The presenter's password</label>
    <div class="desk-row"><input id="desk-password" type="password" autocomplete="current-password">
      <button>Present</button></div>
  </form>
  <p id="desk-problem" role="alert"></p>
  <button id="desk-here" type="button" hidden>Present from this tab</button>
  <div id="desk-on" hidden>
    <figure id="desk-wall" data-state="live">
      <div><canvas id="desk-picture" role="img" aria-label="What the wall shows now"></canvas></div>
      <p id="desk-caption" dir="auto"></p>
      <span id="desk-state" role="status">Live</span>
    </figure>
    <div class="desk-row large">
      <button type="button" id="desk-blank" aria-pressed="false"
        title="Nothing on the wall, at once, and back: B">Blank</button>
      <button type="button" id="desk-freeze" aria-pressed="false"
        title="The wall keeps what it shows while you go on: F">Freeze</button>
    </div>
    <div id="desk-door">
      <p><span>Code</span> <output id="desk-code"></output></p>
      <button type="button" id="desk-open">Open the wall</button>
      <p id="desk-address"></p>
      <p id="desk-screens" role="status"></p>
    </div>
    {audience}{battle}
    <section aria-labelledby="desk-script-title">
      <h2 id="desk-script-title">Script</h2>
      <p id="desk-line" dir="auto"></p>
      <p id="desk-next-line" dir="auto"></p>
      <div class="desk-row">
        <button type="button" id="desk-previous" title="Page up">Previous</button>
        <button type="button" id="desk-next" title="Page down">Next</button>
        <button type="button" id="desk-type" title="Any key of yours stops it">Type it</button>
      </div>
      <div class="desk-row">
        <label class="desk-check"><input type="checkbox" id="desk-types">type the line
          out, too</label>
        <button type="button" id="desk-load">Open a file</button>
      </div>
      <p id="desk-script-problem" role="alert"></p>
    </section>
    <section aria-labelledby="desk-timer-title">
      <h2 id="desk-timer-title">Timer</h2>
      <div class="desk-row">
        <output id="desk-time" role="timer">0:00</output>
        <button type="button" id="desk-start">Start</button>
        <button type="button" id="desk-reset">Reset</button>
        <label class="desk-check">from <input type="number" id="desk-minutes" min="0" max="999"
          step="1" inputmode="numeric" placeholder="0"> min</label>
      </div>
    </section>
    <section aria-labelledby="desk-look-title">
      <h2 id="desk-look-title">The wall shows</h2>
      <label class="desk-check">the words <select id="desk-words">
        <option value="beside">beside the picture</option>
        <option value="over">over the picture</option>
        <option value="none">not at all</option></select></label>
      <label class="desk-check"><input type="checkbox" id="desk-crossfade">crossfade
        between pictures</label>
      <label class="desk-check"><input type="checkbox" id="desk-surround">a blurred
        surround</label>
      <label class="desk-check"><input type="checkbox" id="desk-previews">a preview after
        each step</label>
      <label class="desk-check"><input type="checkbox" id="desk-figures">how long each picture
        took</label>
      <h2>For you</h2>
      <label class="desk-check"><input type="checkbox" id="desk-big">big text</label>
    </section>
    <table id="desk-keys">
      <caption>Keys, also of presenter remotes</caption>
      <tbody>
        <tr><th scope="row"><kbd>Page&nbsp;&darr;</kbd> <kbd>Page&nbsp;&uarr;</kbd></th>
          <td>next and previous line</td></tr>
        <tr><th scope="row"><kbd>B</kbd> or <kbd>.</kbd></th><td>blank, and back</td></tr>
        <tr><th scope="row"><kbd>F</kbd></th><td>freeze, and go on</td></tr>
      </tbody>
      <tfoot><tr><td colspan="2">While a field has the cursor: with <kbd>Alt</kbd>. On the wall
        <kbd>F</kbd> is full screen.</td></tr></tfoot>
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
