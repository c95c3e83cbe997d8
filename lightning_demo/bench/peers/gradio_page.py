"""Serves a peer that is a Gradio page, until the process is ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .step_count import StepCount

if TYPE_CHECKING:
    import gradio as gr


def serve(demo: gr.Blocks, port: int, count: StepCount) -> None:
    """Opens the page, tells its address, and stays."""
    demo.launch(
        server_port=port,
        quiet=True,
        prevent_thread_lock=True,
        app_kwargs={"routes": [count.route()]},
    )
    print(f"Open http://127.0.0.1:{port}/", flush=True)
    while True:
        time.sleep(3600)
