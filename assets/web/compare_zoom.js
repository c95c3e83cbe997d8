// All pictures of a grid enlarged at once, around the point that is looked at in one of them.

const PAN = 10; // % of a picture that an arrow goes on
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Zooms by a slider, and looks around by a pointer or the arrow keys.
 * @param {HTMLElement} grid  its pictures are in a .frame each
 * @param {HTMLInputElement} slider
 */
export function wireZoom(grid, slider) {
  slider.addEventListener("input", () => grid.style.setProperty("--zoom", slider.value));
  grid.addEventListener("pointermove", ({ target, offsetX, offsetY }) => look(target, offsetX, offsetY));
  grid.addEventListener("keydown", (event) => {
    if (!(event.key in ARROWS) || Number(slider.value) <= 1) return;
    event.preventDefault(); // the grid would scroll
    move(ARROWS[event.key]);
  });

  /** @param {HTMLElement} target @param {number} x @param {number} y  px in the picture */
  function look(target, x, y) {
    const { width, height } = target.closest(".frame")?.getBoundingClientRect() ?? { width: 0, height: 0 };
    if (!width || target.tagName !== "IMG") return;
    const zoom = Number(slider.value);
    grid.style.setProperty("--x", `${(100 * x) / (target.offsetWidth || width * zoom)}%`);
    grid.style.setProperty("--y", `${(100 * y) / (target.offsetHeight || height * zoom)}%`);
  }

  /** As much further to a side, in all pictures. @param {[number, number]} way */
  function move([across, down]) {
    for (const [name, by] of /** @type {[string, number][]} */ ([["--x", across], ["--y", down]])) {
      const now = parseFloat(grid.style.getPropertyValue(name) || "50");
      grid.style.setProperty(name, `${Math.min(100, Math.max(0, now + by * PAN))}%`);
    }
  }
}
