"""The metrics panel: closed at first, it tells how much there is to do."""

from __future__ import annotations

import json
from html import escape

import gradio as gr

from ..prices import prices

# The names of `Metrics.summary`, in the order of the page, and of what `meter.js` counts.
LINES = (
    "sessions",
    "pictures_per_second",
    "rows_per_step",
    "queue_wait_ms",
    "hit_rate",
    "wasted",
)
METERED = ("tab", "server")
ENGINE_COLUMNS = ("name", "state", "waiting", "painting", "given")


def metrics_panel() -> gr.HTML:
    """The panel; `metrics_panel.js` fills it while it is open.

    Then each engine, where there are several (`engine_table.js`). Below, what the pictures of this
    tab and of this server would have cost where SDXL-Lightning is hosted: `meter.js` fills it.
    """
    lines = "".join(
        f'<div data-text-title="page.engine.{name}.title"><dt data-text="page.engine.{name}"></dt>'
        f'<dd data-name="{name}">&ndash;</dd></div>'
        for name in LINES
    )
    return gr.HTML(
        '<details id="metrics-panel"><summary data-text="page.engine"></summary>'
        f"<dl>{lines}</dl>{_engines()}{_meter()}</details>",
        elem_id="metrics",
    )


def _engines() -> str:
    heads = "".join(
        f'<th scope="col" data-text="page.engines.{name}"></th>' for name in ENGINE_COLUMNS
    )
    return (
        '<table id="engines" hidden><caption data-text="page.engines"></caption>'
        f"<thead><tr>{heads}</tr></thead><tbody></tbody></table>"
    )


def _meter() -> str:
    services = json.dumps([(each["service"], each["usd_per_picture"]) for each in prices()])
    dates = ", ".join(
        f'<span data-month="{as_of}"></span>'
        for as_of in sorted({each["as_of"][: len("2026-11")] for each in prices()})
    )
    heads = "".join(f'<th scope="col">{escape(each["service"])}</th>' for each in prices())
    rows = "".join(
        f'<tr data-of="{name}" data-text-title="page.meter.{name}.title">'
        f'<th scope="row" data-text="page.meter.{name}"></th><td>&ndash;</td>'
        + "<td></td>" * len(prices())
        + "</tr>"
        for name in METERED
    )
    return (
        f'<table id="meter" data-prices="{escape(services)}">'
        f'<caption data-text="page.meter"><span>{dates}</span></caption>'
        f'<thead><tr><td></td><th scope="col" data-text="page.pictures"></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
