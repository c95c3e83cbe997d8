"""The metrics panel: closed at first, it tells how much there is to do."""

from __future__ import annotations

import json
from calendar import month_name
from html import escape

import gradio as gr

from ..prices import prices

# By the names of `Metrics.summary`, in the order of the page.
LINES = {
    "sessions": ("People here", "Open pages"),
    "pictures_per_second": ("Pictures a second", "Painted by the model in the last 10 s"),
    "rows_per_step": ("Pictures a step", "Pictures that shared one call of the model"),
    "queue_wait_ms": ("Wait in line", "Half of the pictures waited no longer, in the last 10 s"),
    "hit_rate": ("From memory", "Share of all requests so far that needed no painting"),
    "wasted": ("Steps in vain", "Share of steps whose picture was typed away, in the last 10 s"),
}
METERED = {
    "tab": ("This tab", "Pictures painted for this tab since it was opened"),
    "server": ("In all", "Pictures painted by this server since it was started"),
}


def metrics_panel() -> gr.HTML:
    """The panel; `metrics_panel.js` fills it while it is open.

    Below, what the pictures of this tab and of this server would have cost where SDXL-Lightning is
    hosted: `meter.js` fills it.
    """
    lines = "".join(
        f'<div title="{title}"><dt>{label}</dt><dd data-name="{name}">&ndash;</dd></div>'
        for name, (label, title) in LINES.items()
    )
    return gr.HTML(
        f'<details id="metrics-panel"><summary>Engine room</summary><dl>{lines}</dl>{_meter()}'
        "</details>",
        elem_id="metrics",
    )


def _meter() -> str:
    services = json.dumps([(each["service"], each["usd_per_picture"]) for each in prices()])
    dates = " and ".join(sorted({_month(each["as_of"]) for each in prices()}))
    heads = "".join(f'<th scope="col">{escape(each["service"])}</th>' for each in prices())
    rows = "".join(
        f'<tr data-of="{name}" title="{title}"><th scope="row">{label}</th><td>&ndash;</td>'
        + "<td></td>" * len(prices())
        + "</tr>"
        for name, (label, title) in METERED.items()
    )
    return (
        f'<table id="meter" data-prices="{escape(services)}">'
        f"<caption>What pictures cost elsewhere ({dates})</caption>"
        f'<thead><tr><td></td><th scope="col">Pictures</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _month(as_of: str) -> str:
    """The month of a table's date in words: "2026-11" is November 2026."""
    year, month = as_of.split("-")[:2]
    return f"{month_name[int(month)]} {year}"
