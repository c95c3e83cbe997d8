// A button that is pressed twice, as what it does cannot be undone.

import { text } from "./text.js";

const SURE = 5000; // ms within which it is pressed a second time
/** @type {Map<HTMLButtonElement, () => void>} buttons that have asked -> what gives one its own words back */
const waiting = new Map();

/**
 * Whether this is the second time; the first asks for it.
 * @param {HTMLButtonElement} button
 */
export function sure(button) {
  const asked = waiting.get(button);
  asked?.();
  if (asked) return true;
  const words = button.textContent;
  const timer = setTimeout(() => waiting.get(button)?.(), SURE);
  waiting.set(button, () => {
    clearTimeout(timer);
    waiting.delete(button);
    delete button.dataset.sure;
    button.textContent = words;
  });
  button.dataset.sure = "1";
  button.textContent = text("sure.ask");
  return false;
}
