// What players and voters are told of a battle, in words.

import { text } from "./text.js";

const RUNNING = ["painting", "countdown", "typing", "settling", "measuring", "voting", "judging"];

/** Whether a round is on. @param {string} phase */
export const isRunning = (phase) => RUNNING.includes(phase);

/** Number and name of a player. @param {Player} player */
export const nameOf = ({ number, name }) => [number, name].filter((part) => part !== "").join(" ");

/** The same in the middle of a sentence. @param {Player} by */
export const called = (by) => (/^\d+$/.test(nameOf(by)) ? text("number", { name: nameOf(by) }) : nameOf(by));

/**
 * @param state  as of the server's `views.player`; of who does not play its side is null
 * @param {PlayerState} state
 */
export function note(state) {
  const { phase, side, types, target, sides, winner, leader, may_vote: votes, choice, left } = state;
  const name = (/** @type {Side} */ each) => (sides[each].by ? called(sides[each].by) : each.toUpperCase());
  if (phase === "verdict") {
    return winner === null ? text("battle.tie_sentence") : winner === side ? text("battle.you_win_round") : text("battle.wins_round_sentence", { name: name(winner) });
  }
  if (phase === "over") return leader === null ? text("battle.draw_sentence") : leader === side ? text("battle.you_win") : text("battle.wins_sentence", { name: name(leader) });
  if (side === null) {
    if (phase === "gather") return sides.a.by && sides.b.by ? text("battle.against", { one: name("a"), other: name("b") }) : text("battle.who_plays");
    if (votes) return choice ? text("battle.change_mind") : "";
    return phase === "voting" ? text("battle.came_late") : text("battle.look");
  }
  switch (phase) {
    case "gather": return text("battle.begins");
    case "painting": return text("battle.painting_sentence");
    case "countdown": return left === null ? text("battle.ready") : text("battle.ready_in", { left });
    case "typing": return types ? text(target === "picture" ? "battle.type_what_you_see" : "battle.type") : text("battle.other_types");
    case "voting": return text("battle.up_votes");
    default: return text("battle.up_sentence");
  }
}
