// What may be told later than it happens, and not each time: never in the frame that shows a picture.

const TELL_MS = 250;

/**
 * Does some work soon after it is asked for, once for all who ask meanwhile.
 * @param {() => void} work
 */
export function late(work) {
  /** @type {number | null} */
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      work();
    }, TELL_MS);
  };
}
