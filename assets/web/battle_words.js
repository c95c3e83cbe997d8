// What players and voters are told of a battle, in words.

const RUNNING = ["painting", "countdown", "typing", "settling", "measuring", "voting", "judging"];

/** Whether a round is on. */
export const isRunning = (phase) => RUNNING.includes(phase);

/** Number and name of a player. */
export const nameOf = ({ number, name }) => [number, name].filter((part) => part !== "").join(" ");

/** The same in the middle of a sentence. */
export const called = (by) => (/^\d+$/.test(nameOf(by)) ? `Number ${nameOf(by)}` : nameOf(by));

/** @param state  as of the server's `views.player`; of who does not play its side is null */
export function note(state) {
  const { phase, side, types, target, sides, winner, leader, may_vote: votes, choice, left } = state;
  const name = (each) => (sides[each].by ? called(sides[each].by) : each.toUpperCase());
  if (phase === "verdict") {
    return winner === null ? "A tie." : winner === side ? "You win the round!" : `${name(winner)} wins the round.`;
  }
  if (phase === "over") return leader === null ? "A draw." : leader === side ? "You win!" : `${name(leader)} wins.`;
  if (side === null) {
    if (phase === "gather") return sides.a.by && sides.b.by ? `${name("a")} against ${name("b")}` : "Who plays?";
    if (votes) return choice ? "You may still change your mind." : "";
    return phase === "voting" ? "You came when this vote had begun." : "Look at the wall.";
  }
  switch (phase) {
    case "gather": return "It begins when the presenter says so.";
    case "painting": return "The target is being painted.";
    case "countdown": return left === null ? "Get ready" : `Get ready: ${left}`;
    case "typing": return types ? (target === "picture" ? "Type what you see." : "Type!") : "The other side types.";
    case "voting": return "Time is up. The hall votes.";
    default: return "Time is up.";
  }
}
