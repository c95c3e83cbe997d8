"""The prompt battle on the presenter's desk: how it is played, who plays, what comes next."""

from __future__ import annotations

from ..stage.battle.plan import MAX_ROUNDS, MAX_SECONDS, MIN_SECONDS

SIDES = "".join(
    f"""
        <div class="battle-side" data-side="{side}">
          <p><i></i><bdi></bdi><span></span></p>
          <div class="desk-row" hidden>
            <button type="button" data-verb="draw" data-text="page.battle.draw"></button>
            <label data-text="page.battle.phone"><input type="number" min="1"
              inputmode="numeric" data-text-aria-label="page.battle.phone_{side}"></label>
            <button type="button" data-verb="vacate" data-text="page.battle.free"></button>
            <button type="button" data-verb="ban" data-text="tray.ban"></button>
          </div>
        </div>"""
    for side in "ab"
)

BATTLE = f"""
    <details id="desk-battle"><summary data-text="battle"></summary>
      <div id="desk-battle-plan">
        <label class="desk-check" data-text="page.battle.target"><select id="desk-battle-target">
          <option value="theme" data-text="page.battle.target.theme"></option>
          <option value="picture"
            data-text="page.battle.target.picture"></option></select></label>
        <label for="desk-battle-lines" id="desk-battle-lines-label"
          data-text="desk.themes"></label>
        <textarea id="desk-battle-lines" rows="3" dir="auto" spellcheck="false"></textarea>
        <div class="desk-row">
          <label class="desk-check" data-text="page.battle.rounds"><input
            type="number" id="desk-battle-rounds" min="1"
            max="{MAX_ROUNDS}" step="1" inputmode="numeric"></label>
          <label class="desk-check" data-text="page.battle.seconds"><input
            type="number" id="desk-battle-seconds"
            min="{MIN_SECONDS}" max="{MAX_SECONDS}" step="1" inputmode="numeric"></label>
        </div>
        <label class="desk-check" data-text="page.battle.players"><select id="desk-battle-players">
          <option value="lot" data-text="page.battle.players.lot"></option>
          <option value="volunteers" data-text="page.battle.players.volunteers"></option>
          <option value="named" data-text="page.battle.players.named"></option>
          <option value="keyboards" data-text="page.battle.players.keyboards"></option>
          </select></label>
        <label class="desk-check" data-text="page.battle.verdict"><select id="desk-battle-verdict">
          <option value="hall" data-text="page.battle.verdict.hall"></option>
          <option value="likeness" data-text="page.battle.verdict.likeness"></option>
          <option value="hands" data-text="page.battle.verdict.hands"></option></select></label>
        <div id="desk-battle-keyboards" hidden>
          <div class="desk-row">
            <input id="desk-battle-name_a" maxlength="24" dir="auto"
              data-text-placeholder="page.battle.name_a"
              data-text-aria-label="page.battle.name_a.long">
            <input id="desk-battle-name_b" maxlength="24" dir="auto"
              data-text-placeholder="page.battle.name_b"
              data-text-aria-label="page.battle.name_b.long"></div>
          <label class="desk-check" data-text="page.battle.turns"><input type="checkbox"
            id="desk-battle-turns"></label>
        </div>
      </div>
      <p id="desk-battle-problem" role="alert"></p>
      <div id="desk-battle-on" hidden>
        <p id="desk-battle-score" role="status"></p>
        <img id="desk-battle-picture" data-text-alt="battle.target" hidden>{SIDES}
        <p id="desk-battle-volunteers"></p>
        <p id="desk-battle-codes" hidden></p>
        <div class="desk-row large" id="desk-battle-next">
          <button type="button" data-verb="start" data-text="page.battle.start"></button>
          <button type="button" data-verb="cut" data-text="page.battle.cut"></button>
          <button type="button" data-verb="award" data-side="a"
            data-text="page.battle.award_a"></button>
          <button type="button" data-verb="award" data-text="page.battle.award_tie"></button>
          <button type="button" data-verb="award" data-side="b"
            data-text="page.battle.award_b"></button>
        </div>
        <div class="desk-row" id="desk-battle-more">
          <button type="button" data-verb="paint" data-text="desk.see_target"></button>
          <button type="button" data-verb="both" data-text="page.battle.boxes"></button>
          <button type="button" data-verb="cancel" data-text="page.battle.cancel"></button>
          <button type="button" data-verb="finish" data-text="battle.final"></button>
          <button type="button" data-verb="reset" data-text="page.battle.reset"></button>
        </div>
      </div>
      <div class="desk-row">
        <button type="button" data-verb="gather" data-text="page.battle.gather"></button>
        <button type="button" data-verb="stop" data-text="page.battle.stop"></button></div>
      <p class="battle-note" data-text="page.battle.note"></p>
    </details>
"""
