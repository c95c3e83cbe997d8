// A grid as a zip: every picture as a file that is named by what it varies, and a list of their settings.

import { zip } from "./zip.js";

/** @param {{ request: object, name: string, file: string, blob: Blob }[]} cells  that have their pictures */
export function gridZip(cells) {
  const named = cells.map((cell, at) => ({ ...cell, file: `${fileName(at + 1, cell.file)}.jpeg` }));
  const list = JSON.stringify(named.map(({ file, name, request }) => ({ file, name, ...request })), null, 1);
  const files = named.map(({ file, blob }) => ({ name: file, blob }));
  return zip([...files, { name: "manifest.json", blob: new Blob([list]) }]);
}

/** @param {number} number @param {string} name */
function fileName(number, name) {
  const words = name.normalize("NFKD").toLowerCase().match(/[a-z0-9.]+/g) ?? [];
  return [String(number).padStart(2, "0"), ...words].join("-").slice(0, 80);
}
