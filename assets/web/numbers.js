// Numbers with their units, as the page's language writes them.

import { language, text } from "./text.js";

/** With so many digits after the point. */
export function decimal(/** @type {number} */ value, digits = 0) {
  const shown = { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false };
  return value.toLocaleString(language, shown);
}

/** @param {number} share  from 0 to 1 */
export const percent = (share) => text("unit.percent", { value: decimal(100 * share) });

export const milliseconds = (/** @type {number} */ time, digits = 0) => text("unit.ms", { value: decimal(time, digits) });

/** A time as people tell it: seconds, minutes, or hours. */
export function lasting(/** @type {number} */ hours) {
  const minutes = hours * 60;
  if (minutes < 1) return text("seconds", { count: Math.max(1, Math.round(minutes * 60)) });
  if (minutes < 100) return text("minutes", { count: Math.round(minutes) });
  return text("unit.hours", { value: decimal(hours, 1) });
}

/** US dollars, with so many digits after the point. */
export function dollars(/** @type {number} */ amount, /** @type {number} */ digits) {
  return amount.toLocaleString(language, {
    style: "currency", currency: "USD", currencyDisplay: "narrowSymbol",
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
}
