// Who has painted a picture: colour, number and name; for wall, desk and phones.

/** @param {Player} player @returns an element of class "by" */
export function credit({ number, colour, name }) {
  const dot = document.createElement("i");
  dot.style.setProperty("--colour", colour);
  const words = Object.assign(document.createElement("bdi"), { textContent: name ? `${number} ${name}` : number });
  const by = Object.assign(document.createElement("span"), { className: "by" });
  by.append(dot, words);
  return by;
}
