// Gradio's loading sign asks for each animation frame to count the seconds, and goes on for ever when it
// is gone (6.31). In the page's head (page_head.py), before Gradio's own scripts, for the sign keeps the
// function that it finds there. Tools that drive a browser keep it, too: only the sign's calls are dropped.

globalThis.endLoadingSign = (() => {
  const { requestAnimationFrame } = globalThis;
  const ofSign = () => Boolean(new Error().stack?.includes("/statustracker-")); // Gradio's file
  let ended = false;
  globalThis.requestAnimationFrame = (work) => (ended && ofSign() ? 0 : requestAnimationFrame(work));
  return () => {
    ended = true;
    globalThis.requestAnimationFrame = requestAnimationFrame; // for all who look it up
  };
})();
