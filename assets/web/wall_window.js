// Opens the wall in a window of its own, on the second display where the browser can say where it is.

const NAME = "lightning-wall"; // the same window each time

/** @param {URL | string} url @returns whether there is a window now */
export async function openOnOtherScreen(url) {
  const place = await otherScreen();
  const { availLeft = 0, availTop = 0, availWidth = 1280, availHeight = 720 } = place ?? {};
  const where = `left=${availLeft},top=${availTop},width=${availWidth},height=${availHeight}`;
  const opened = globalThis.open(url, NAME, `popup,${where}`);
  opened?.focus();
  return Boolean(opened);
}

/** The display on which this page is not; null: there is none, or the browser does not say. */
async function otherScreen() {
  if (!globalThis.getScreenDetails || !globalThis.screen.isExtended) return null;
  const details = await globalThis.getScreenDetails().catch(() => null);
  return details?.screens.find((each) => each !== details.currentScreen) ?? null;
}
