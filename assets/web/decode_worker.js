// The thread of `decoder.js`: bytes come, an ImageBitmap or a problem goes.

onmessage = async ({ data: { bytes, type } }) => {
  try {
    const picture = await createImageBitmap(new Blob([bytes], { type }));
    postMessage({ picture }, [picture]);
  } catch (problem) {
    postMessage({ problem });
  }
};
