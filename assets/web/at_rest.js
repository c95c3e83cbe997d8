// Lets a page that nobody touches come to rest. In the page's head, before Gradio's script
// (page_head.py).
//
// Gradio's sign that the page is loading counts its seconds in every frame, for ever: nothing ends
// that when the sign goes (6.31). It keeps the `requestAnimationFrame` that it finds, as do tools
// that drive a browser; all else asks for the one that is there.
{
  const { requestAnimationFrame } = globalThis;
  let stands = false;
  const counts = () => new Error().stack?.includes("/statustracker-");
  globalThis.requestAnimationFrame = (callback) => (stands && counts() ? 0 : requestAnimationFrame(callback));
  globalThis.pageStands = () => {
    stands = true;
    Object.assign(globalThis, { requestAnimationFrame });
  };
}
