// Times as people read them.

/** Seconds as 1:02:03, with a minus below zero. @param {number} seconds */
export function clock(seconds) {
  const total = Math.abs(seconds);
  const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  if (!parts[0]) parts.shift();
  const text = parts.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
  return seconds < 0 ? `−${text}` : text;
}
