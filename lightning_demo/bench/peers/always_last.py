"""The peer `always_last`: a Gradio text box that calls `pipe(...)` into an image.

The usual way to build this demo, with every setting at its default except `trigger_mode`, without
which the last keystrokes are lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .miniature import arguments, serve_page  # before Gradio, which would call home

import gradio as gr  # isort: skip


def build(paint: Callable[..., Any], **options: Any) -> gr.Blocks:
    """The page.

    Args:
        options: of the event.
    """
    with gr.Blocks() as demo:
        prompt = gr.Textbox(label="Prompt")
        seed = gr.Number(7, label="Seed")
        image = gr.Image()
        event = {"trigger_mode": "always_last", "api_name": "paint", **options}
        prompt.input(paint, [prompt, seed], image, **event)
    return demo


if __name__ == "__main__":
    port, model = arguments()
    serve_page(build(model.paint), port, model)
