// Waiting that can be ended early.

/**
 * Waits so many ms, or until the signal is aborted.
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function pause(milliseconds, signal) {
  return new Promise((go) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      go();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}
