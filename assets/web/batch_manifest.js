// What became of each picture of a batch, as the command line writes it: CSV and JSON
// (lightning_demo/studio/manifest.py).

const FORMULA = /^[=+\-@\t\r]/; // what a spreadsheet would run

/**
 * The lines of a manifest, in the order of the list.
 * @param {BatchPicture[]} pictures  [{ number, line, template, request }], of a plan
 * @param {Map<number, Outcome>} outcomes  number -> { file, seconds, model, notes, error }; those that are known
 */
export function linesOf(pictures, outcomes) {
  return pictures
    .filter(({ number }) => outcomes.has(number))
    .sort((one, other) => one.number - other.number)
    .map(({ number, line, template, request }) => {
      const { file, seconds, model, notes, error } = /** @type {Outcome} */ (outcomes.get(number));
      return { number, file, line, template, ...request, seconds: Number(seconds.toFixed(3)), model, notes, error };
    });
}

/**
 * The same as CSV, with the mark without which spreadsheets take UTF-8 for something else.
 * @param {Record<string, unknown>[]} lines
 * @param {string[]} columns
 */
export function csvOf(lines, columns) {
  const rows = [columns, ...lines.map((line) => columns.map((name) => defused(line[name])))];
  return `\ufeff${rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("")}`;
}

/** The same as JSON. @param {object[]} lines */
export const jsonOf = (lines) => JSON.stringify({ pictures: lines }, null, 1);

/** @param {unknown} value */
function defused(value) {
  const text = Array.isArray(value) ? value.join(" ") : value;
  return typeof text === "string" && FORMULA.test(text) ? `'${text}` : text;
}

/** @param {unknown} value */
function cell(value) {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
