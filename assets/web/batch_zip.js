// A batch as zips: its pictures in as many as are needed, and in each the manifest of all.

import { csvOf, jsonOf, linesOf } from "./batch_manifest.js";
import { parts, zip } from "./zip.js";

/**
 * The zips, made one after the other.
 * @param {BatchPlan} plan
 * @param {Map<number, Outcome>} outcomes  by number, of those that are known
 * @param {Named[]} files  pictures
 * @param {number} [most]  bytes of pictures in one zip
 * @returns {AsyncGenerator<Named>}
 */
export async function* batchZips({ pictures, columns }, outcomes, files, most) {
  const lines = linesOf(pictures, outcomes);
  const manifest = [
    { name: "manifest.csv", blob: new Blob([csvOf(lines, columns)]) },
    { name: "manifest.json", blob: new Blob([jsonOf(lines)]) },
  ];
  const groups = parts(files, most);
  for (const [at, group] of groups.entries()) {
    const part = groups.length > 1 ? `-${at + 1}-of-${groups.length}` : "";
    yield { name: `lightning-batch${part}.zip`, blob: await zip([...group, ...manifest]) };
  }
}
