// A button that is pressed twice, as what it does cannot be undone.

import { text } from "./text.js";

const SURE = 5000; // ms within which it is pressed a second time

/**
 * Whether this is the second time; the first asks for it.
 * @param {HTMLButtonElement} button
 */
export function sure(button) {
  if (button.dataset.sure) return true;
  const words = button.textContent;
  button.dataset.sure = "1";
  button.textContent = text("sure.ask");
  setTimeout(() => {
    delete button.dataset.sure;
    button.textContent = words;
  }, SURE);
  return false;
}
