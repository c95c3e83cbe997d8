"""The metrics panel: closed at first, it tells how much there is to do."""

from __future__ import annotations

import gradio as gr

# By the names of `Metrics.summary`, in the order of the page.
LINES = {
    "sessions": ("People here", "Open pages"),
    "pictures_per_second": ("Pictures a second", "Painted by the model in the last 10 s"),
    "rows_per_step": ("Pictures a step", "Pictures that shared one call of the model"),
    "queue_wait_ms": ("Wait in line", "Half of the pictures waited no longer, in the last 10 s"),
    "hit_rate": ("From memory", "Share of all requests so far that needed no painting"),
    "wasted": ("Steps in vain", "Share of steps whose picture was typed away, in the last 10 s"),
}


def metrics_panel() -> gr.HTML:
    """The panel; `metrics_panel.js` fills it while it is open."""
    lines = "".join(
        f'<div title="{title}"><dt>{label}</dt><dd data-name="{name}">&ndash;</dd></div>'
        for name, (label, title) in LINES.items()
    )
    return gr.HTML(
        f'<details id="metrics-panel"><summary>Engine room</summary><dl>{lines}</dl></details>',
        elem_id="metrics",
    )
