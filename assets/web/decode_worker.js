// The thread of `decoder.js`: bytes come, an ImageBitmap that fits its box or a problem goes.

const canvas = new OffscreenCanvas(1, 1);
const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));

onmessage = async ({ data: { bytes, type, width, height } }) => {
  try {
    const whole = await createImageBitmap(new Blob([bytes], { type }));
    const scale = Math.min(width / whole.width, height / whole.height);
    // Of a hidden box a side may round to nothing, of which there is no ImageBitmap.
    canvas.width = Math.max(1, Math.round(whole.width * scale));
    canvas.height = Math.max(1, Math.round(whole.height * scale));
    context.imageSmoothingQuality = "high";
    context.drawImage(whole, 0, 0, canvas.width, canvas.height);
    whole.close();
    const picture = canvas.transferToImageBitmap();
    postMessage({ picture }, { transfer: [picture] });
  } catch (problem) {
    postMessage({ problem });
  }
};
