"""The page: its panels, and what its script is told."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from html import escape
from typing import Any

import gradio as gr

from ...engine.draft_policy import may_draft
from ...model.weights.model_spec import Vocabulary
from ...schemas import MAX_SEED, EngineStatus
from ...settings import Settings
from ..gradio_events import EventStreams
from ..service import MAX_PAGES, Service
from ..vocabularies import vocabulary
from .batch import batch
from .compare import compare
from .completions import completions
from .controls import CONTROLS, control_panel
from .desk import desk_panel
from .keys import keyboard_map
from .metrics_panel import metrics_panel
from .no_files import take_no_files
from .picture import action_buttons, picture_stage, status_line
from .prompt import example_chips, prompt_box, prompt_note, word_chips
from .prompt_tools import TIPS, prompt_tools
from .timeline import timeline

log = logging.getLogger(__name__)

TITLE = "Lightning"
CACHE_SECONDS = 3600
KEYS_BUTTON = (
    '<button type="button" id="keys-open" data-text-title="keys.open"'
    ' data-text-aria-label="keys.title"><kbd aria-hidden="true">?</kbd></button>'
)

# The page's script is a module: importing it again gives the same one. Where it is, the page's head
# says (`page_head.py`); another page that shows this one within its own has no such head.
START = (
    "async () => (await import(document.querySelector('link[rel=modulepreload]')?.href"
    " ?? new URL('web/page.js', document.baseURI))).start()"
)


def page(service: Service) -> gr.Blocks:
    """Builds the Blocks for one service.

    Where one model stands in for another, the page is the other's from the start, so that nothing
    moves when it comes; only words and examples are those of whichever paints.
    """
    status, kiosk = service.engine.status(), service.settings.kiosk > 0
    vocabularies = _vocabularies(status)
    with gr.Blocks(
        title=f"{TITLE} – {status.loading_title or status.title}",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(CACHE_SECONDS, CACHE_SECONDS),
    ) as blocks:
        words = {name or status.model: completions(each) for name, each in vocabularies.items()}
        _masthead(service.settings, status, words, keys=not kiosk)
        prompt_box(next(iter(vocabularies.values())).examples)
        prompt_note(kiosk=kiosk)
        with gr.Row(elem_id="studio"):
            with gr.Column(elem_id="picture-side"):
                picture_stage()
                status_line()
                action_buttons(kiosk=kiosk)
                if not kiosk:
                    timeline()
                    compare()
                    batch()
                    keyboard_map()
            with gr.Column(elem_id="control-side"):
                if service.stage is not None:
                    desk_panel(audience=service.stage.audiences is not None)
                prompt_tools(status.limits.styles, kiosk=kiosk)
                control_panel(
                    status.limits,
                    service.settings.latency_budget,
                    drafts=may_draft(status.limits) and not status.submit_on_enter,
                )
                for only_with, vocabulary in vocabularies.items():
                    if not word_chips(vocabulary.groups, only_with):
                        example_chips(vocabulary.examples, only_with)
                if not kiosk:
                    metrics_panel()
        for only_with, vocabulary in vocabularies.items():
            if vocabulary.groups:
                example_chips(vocabulary.examples, only_with)
        blocks.load(None, None, None, js=START, show_progress="hidden", api_visibility="private")
        streams = EventStreams(service)
        _events(blocks, streams)
    take_no_files(blocks)
    if status.submit_on_enter:
        # Gradio's own default on ZeroGPU is a line of one, and "queue full" for the next visitor.
        blocks.queue(max_size=MAX_PAGES)
    streams.pace(blocks._queue)
    return blocks


def _vocabularies(status: EngineStatus) -> dict[str, Vocabulary]:
    """By model, the one that the page is for first; under no name where there is only one."""
    if status.loading_model:
        return {model: vocabulary(model) for model in (status.loading_model, status.model)}
    return {"": vocabulary(status.model)}


def _masthead(
    settings: Settings, status: EngineStatus, words: dict[str, list[str]], *, keys: bool
) -> None:
    config = {
        # Only Gradio's events tell ZeroGPU whose time on the GPU a picture takes.
        "transport": "events" if status.submit_on_enter else settings.transport,
        "controls": CONTROLS,
        "max_seed": MAX_SEED,
        "ahead": settings.ahead and not status.submit_on_enter,
        "completions": words,
        # Each picture is painted at a visitor's cost there: none is for nobody.
        "attract": 0 if status.submit_on_enter else settings.attract,
        "kiosk": settings.kiosk,
        "compared": bool(settings.compare_with),
        "styles": [asdict(style) for style in status.limits.styles],
        "tips": TIPS,
    }
    button = KEYS_BUTTON if keys else ""
    tagline = "page.tagline.enter" if status.submit_on_enter else "page.tagline"
    gr.HTML(
        f'<header><h1>{TITLE}</h1><p id="tagline" data-text="{tagline}"></p>'
        f"<i data-language></i>{button}</header>"
        f'<div id="config" data-config="{escape(json.dumps(config))}" hidden></div>',
        elem_id="masthead",
    )


def _events(blocks: gr.Blocks, streams: EventStreams) -> None:
    """The way over Gradio's events: hidden buttons that `transport.js` presses."""
    message = gr.Textbox(visible="hidden", elem_id="events-message")
    answer = _output("events-answer")
    status = _output("events-status")
    send = gr.Button(visible="hidden", elem_id="events-send")
    ask_status = gr.Button(visible="hidden", elem_id="events-ask-status")
    stay = gr.Button(visible="hidden", elem_id="events-stay")
    quiet: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "undocumented",
        "concurrency_limit": None,
    }
    send.click(
        streams.live,
        message,
        answer,
        js="() => globalThis.lightning.transport.takeMessage()",
        trigger_mode="multiple",
        api_name="live",
        **quiet,
    )
    ask_status.click(streams.status, None, status, queue=False, api_name="status", **quiet)
    stay.click(streams.stay, trigger_mode="multiple", **{**quiet, "api_visibility": "private"})
    blocks.unload(streams.forget)


def _output(name: str) -> gr.HTML:
    """A hidden output that hands each value to `live.js`; its value is never shown as HTML."""
    return gr.HTML(
        "",
        html_template="<i></i>",
        js_on_load="watch('value', () => globalThis.lightning?.transport.take?.(props.value));",
        visible="hidden",
        elem_id=name,
    )
