"""The prompt battle on the presenter's desk: how it is played, who plays, what comes next."""

from __future__ import annotations

from ..stage.battle.plan import MAX_ROUNDS, MAX_SECONDS, MIN_SECONDS

SIDES = "".join(
    f"""
        <div class="battle-side" data-side="{side}">
          <p><i></i><bdi></bdi><span></span></p>
          <div class="desk-row" hidden>
            <button type="button" data-verb="draw">Draw by lot</button>
            <label>phone <input type="number" min="1" inputmode="numeric"
              aria-label="Number of the phone for side {side.upper()}"></label>
            <button type="button" data-verb="vacate">Free</button>
            <button type="button" data-verb="ban">Ban</button>
          </div>
        </div>"""
    for side in "ab"
)

BATTLE = f"""
    <details id="desk-battle"><summary>Prompt battle</summary>
      <div id="desk-battle-plan">
        <label class="desk-check">they paint <select id="desk-battle-target">
          <option value="theme">to a theme</option>
          <option value="picture">after a picture of a secret prompt</option></select></label>
        <label for="desk-battle-lines" id="desk-battle-lines-label">Themes, one a round</label>
        <textarea id="desk-battle-lines" rows="3" dir="auto" spellcheck="false"></textarea>
        <div class="desk-row">
          <label class="desk-check">rounds <input type="number" id="desk-battle-rounds" min="1"
            max="{MAX_ROUNDS}" step="1" inputmode="numeric"></label>
          <label class="desk-check">seconds <input type="number" id="desk-battle-seconds"
            min="{MIN_SECONDS}" max="{MAX_SECONDS}" step="1" inputmode="numeric"></label>
        </div>
        <label class="desk-check">players <select id="desk-battle-players">
          <option value="lot">phones, drawn by lot</option>
          <option value="volunteers">phones that volunteer</option>
          <option value="named">phones that I name</option>
          <option value="keyboards">two keyboards</option></select></label>
        <label class="desk-check">decided by <select id="desk-battle-verdict">
          <option value="hall">the hall, on phones</option>
          <option value="likeness">likeness to the target</option>
          <option value="hands">me, after a show of hands</option></select></label>
        <div id="desk-battle-keyboards" hidden>
          <div class="desk-row">
            <input id="desk-battle-name_a" maxlength="24" placeholder="Name of A" dir="auto"
              aria-label="Name of player A">
            <input id="desk-battle-name_b" maxlength="24" placeholder="Name of B" dir="auto"
              aria-label="Name of player B"></div>
          <label class="desk-check"><input type="checkbox" id="desk-battle-turns">one after the
            other, on one keyboard</label>
        </div>
      </div>
      <p id="desk-battle-problem" role="alert"></p>
      <div id="desk-battle-on" hidden>
        <p id="desk-battle-score" role="status"></p>
        <img id="desk-battle-picture" alt="The target" hidden>{SIDES}
        <p id="desk-battle-volunteers"></p>
        <p id="desk-battle-codes" hidden></p>
        <div class="desk-row large" id="desk-battle-next">
          <button type="button" data-verb="start">Start</button>
          <button type="button" data-verb="cut">End now</button>
          <button type="button" data-verb="award" data-side="a">A wins</button>
          <button type="button" data-verb="award">Tie</button>
          <button type="button" data-verb="award" data-side="b">B wins</button>
        </div>
        <div class="desk-row" id="desk-battle-more">
          <button type="button" data-verb="paint">See the target first</button>
          <button type="button" data-verb="both">Both boxes here</button>
          <button type="button" data-verb="cancel">Cancel the round</button>
          <button type="button" data-verb="finish">Final score</button>
          <button type="button" data-verb="reset">Reset the score</button>
        </div>
      </div>
      <div class="desk-row">
        <button type="button" data-verb="gather">Put a battle on the wall</button>
        <button type="button" data-verb="stop">End the battle</button></div>
      <p class="battle-note">From the start of a round on, words and pictures of both players are
        live on the wall: they do not wait to be released. The word list, Freeze and Blank
        hold.</p>
    </details>
"""
