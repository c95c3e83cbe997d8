"""What strangers send: readers of it by kind, with examples of what they read.

A target takes bytes and reads them to the end as a server would; whatever else it raises than what
it is allowed to is a fault. `fuzz.py` lets atheris change the examples, `test_fuzz.py` hypothesis.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np

from lightning_demo.comfyui import as_weighted
from lightning_demo.engine import wire, wire_fields
from lightning_demo.engine.base import Work
from lightning_demo.errors import LightningError
from lightning_demo.images import encode, parameters_text
from lightning_demo.schemas import (
    OWN_WEIGHTS,
    EngineStatus,
    Frame,
    GenerationRequest,
    Limits,
    Style,
)
from lightning_demo.studio.a1111_parameters import (
    as_parameters,
    parameter_fields,
    parse_parameters,
)
from lightning_demo.studio.comfyui_graph import read_graph
from lightning_demo.studio.fooocus_parameters import read_fooocus
from lightning_demo.studio.picture_info import read_info, request_fields
from lightning_demo.studio.plan import COLUMNS, Bounds, make_plan
from lightning_demo.studio.table import KINDS, read_table
from lightning_demo.studio.wildcards import words_of
from lightning_demo.web import messages
from lightning_demo.web.api import fal_realtime
from lightning_demo.web.api.a1111 import TextToImageQuestion
from lightning_demo.web.api.cloudflare import RunQuestion
from lightning_demo.web.api.fal import FalQuestion
from lightning_demo.web.api.native_question import PictureQuestion
from lightning_demo.web.api.openai_question import GenerationQuestion
from lightning_demo.web.api.order import Asked, place
from lightning_demo.web.api.prediction import PredictionInput
from lightning_demo.web.api.reading import validate
from lightning_demo.web.api.synexa import PredictionQuestion as SynexaQuestion
from lightning_demo.web.batch_list import BatchList
from lightning_demo.web.stage.audience import phone_messages
from lightning_demo.web.stage.battle.plan import Plan, parse_orders
from lightning_demo.web.stage.desk import Wish
from lightning_demo.weighting import pieces

LIMITS = Limits(
    num_inference_steps=(2, 4, 8),
    default_steps=4,
    sizes=((256, 256), (384, 256), (256, 384)),
    min_side=128,
    max_side=512,
    styles=(Style("Night", "{prompt} at night", "by day"),),
)
REQUEST = GenerationRequest.parse(
    {
        "prompt": "a (red:1.2) fox, {big, small} <b>",
        "negative_prompt": "blue",
        "seed": 7,
        "style": "Night",
        "variation_seed": 2,
        "variation_strength": 0.25,
        "morph_prompt": "a boat",
        "morph_strength": 0.5,
    },
    LIMITS,
)
FRAME = Frame(
    REQUEST,
    b"",
    "image/png",
    4,
    True,
    timings={"total": 1.5},
    notes=("cut",),
    dimensions=(16, 8),
)
STATUS = EngineStatus("ready", "miniature", "Miniature", LIMITS, device="cpu", fingerprint="f")
PIXELS = np.arange(16 * 8 * 3, dtype=np.uint8).reshape(8, 16, 3)
BOUNDS = Bounds(pictures=50, characters=20_000)


@dataclass(frozen=True, slots=True)
class Target:
    """A reader of what strangers send."""

    read: Callable[[bytes], None]
    examples: Sequence[bytes]
    runs: int  # of atheris


def live(data: bytes) -> None:
    """A message of a page, and a presenter's."""
    message = messages.parse(data)
    assert message.kind
    if message.fields is not None:
        for fields in (message.fields, *({**message.fields, **each} for each in message.ahead)):
            with suppress(LightningError):
                assert GenerationRequest.parse(fields, LIMITS).prompt
    if message.present is not None:
        with suppress(LightningError):
            wish = Wish.parse(message.present)
            battle: Any = wish.battle
            Plan.parse(battle.get("plan", {}) if isinstance(battle, dict) else battle)
            parse_orders(battle.get("orders", []) if isinstance(battle, dict) else battle)


def phone(data: bytes) -> None:
    """A message of a phone in the hall."""
    assert phone_messages.parse(data).kind


def question(data: bytes) -> None:
    """The body of a request to an API."""
    fields = _object(data)
    if fields is not None:
        _questions(fields)


def packed(data: bytes) -> None:
    """A frame of fal's realtime, which may hold what JSON cannot."""
    with suppress(LightningError):
        fields = fal_realtime._unpacked(data)
        _questions(fields)
        validate(fal_realtime.RealtimeQuestion, fields)


def _questions(fields: Mapping[str, Any]) -> None:
    asked: Sequence[Callable[[], Asked]] = (
        lambda: validate(PictureQuestion, fields).asked(None),
        lambda: validate(TextToImageQuestion, fields).asked("miniature", LIMITS.styles),
        lambda: validate(GenerationQuestion, fields).asked("miniature"),
        lambda: validate(FalQuestion, fields).asked(),
        lambda: validate(RunQuestion, fields).asked(),
        lambda: validate(PredictionInput, fields).asked(),
        lambda: validate(SynexaQuestion, fields).asked("miniature"),
    )
    for each in asked:
        with suppress(LightningError):
            place(each(), LIMITS)


def parameters(data: bytes) -> None:
    """A picture's settings as text, and its prompt's weights."""
    text = data.decode("utf-8", "replace")
    found = parameter_fields(parse_parameters(text))
    if graph := read_fooocus(text):
        as_parameters(graph, (8, 8)).encode()
    for name in ("prompt", "negative_prompt"):
        assert pieces(found[name])
        as_weighted(found[name])


def graph(data: bytes) -> None:
    """ComfyUI's graph."""
    if found := read_graph(data.decode("utf-8", "replace")):
        as_parameters(found, (8, 8)).encode()


def picture(data: bytes) -> None:
    """A file of which a visitor says that it is a picture."""
    with suppress(LightningError):
        json.dumps(request_fields(read_info(data, "picture")))


def batch(data: bytes) -> None:
    """A list of pictures, in each of its forms, and words for its wildcards."""
    words = {"animal": words_of(data.decode("utf-8", "replace"))}
    for kind in dict.fromkeys(KINDS.values()):
        with suppress(LightningError):
            make_plan(read_table(data, kind, COLUMNS, 50), LIMITS, {}, 1, words, BOUNDS)
    if fields := _object(data):
        with suppress(LightningError):
            BatchList.parse(fields).checked(LIMITS)


def records(data: bytes) -> None:
    """What another server sends."""
    with suppress(ValueError, LightningError):
        _record(wire.unpack(data))


def _record(record: wire.Record) -> None:
    assert isinstance(record.name, str) and isinstance(record.is_last, bool)
    wire.parse_error(record.header)
    wire.parse_forecast(record.header)
    for raw in (False, True):
        with suppress(ValueError):
            wire.parse_frame(record, REQUEST, raw=raw)
    with suppress(ValueError):
        wire.parse_refusal(record.header)
    with suppress(ValueError):
        wire_fields.parse_status(record.header)
    with suppress(LightningError):
        wire_fields.parse_work(record.header.get("work"), LIMITS, 1.0, "caller")


def _object(data: bytes) -> dict[str, Any] | None:
    """As `read_json` has it."""
    try:
        found = messages.load_json(data)
    except (LightningError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()


def _pictures() -> list[bytes]:
    return [encode(PIXELS, REQUEST, "miniature", format, 80) for format in ("png", "jpeg", "webp")]


def _png() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    return buffer.getvalue()


def _graph() -> bytes:
    from lightning_demo.comfyui import prompt_graph

    return _json(prompt_graph(REQUEST, "sdxl-lightning", OWN_WEIGHTS))


def _records() -> list[bytes]:
    work = wire_fields.work_fields(Work(REQUEST, client="someone"), 1.0)
    status = wire_fields.status_fields(STATUS, "1", "me", draining=False)
    return [
        wire.pack("frame", wire.frame_header(FRAME), _png()),
        wire.pack("frame", wire.frame_header(FRAME), b"jpeg", PIXELS.tobytes()),
        wire.pack("work", {"work": work}),
        wire.pack("status", status),
        wire.pack("refused", {"name": "a", "status": 409, "detail": "no", "field": None}),
        wire.pack("error", {"error": "InvalidRequest", "detail": "no", "field": "seed"}),
        wire.pack("forecast", wire.forecast_header(None)),
    ]


FIELDS = REQUEST.as_dict()
PLAN = {"target": "theme", "lines": ["a ship"], "seconds": 60, "rounds": 3, "name_a": "Ada"}
ACT = {"number": 1, "verb": "release", "entry": 2}
FOOOCUS = {"prompt": "a fox", "steps": 4, "resolution": "(512, 512)", "guidance_scale": 1.5}
TARGETS = {
    "live": Target(
        live,
        [
            _json({"sequence": 1, "request": FIELDS, "budget": 300, "ahead": [{"prompt": "x"}]}),
            _json({"pause": True}),
            _json({"seen": 3}),
            _json({"watch": True}),
            _json({"sequence": 2, "present": {"acts": [ACT], "battle": {"plan": PLAN}}}),
        ],
        10_000,
    ),
    "phone": Target(
        phone,
        [
            _json({"join": "token"}),
            _json({"prompt": "a fox", "sequence": 1, "seed": 2}),
            _json({"ballot": "a"}),
            _json({"heart": 1, "on": False}),
        ],
        10_000,
    ),
    "question": Target(
        question,
        [
            _json({**FIELDS, "resolution": "256x384", "aspect_ratio": "16:9", "output_quality": 5}),
            _json({"prompt": "x", "steps": 4, "cfg_scale": 1, "styles": ["Night"], "subseed": -1}),
            _json({"prompt": "x", "image_size": {"width": 512, "height": 384}, "num_images": 2}),
            _json({"prompt": "x", "num_steps": 4, "guidance": 7.5, "image_b64": "", "strength": 1}),
            _json({"prompt": "x", "num_outputs": 2, "scheduler": "K_EULER", "width": 1024}),
            _json({"prompt": "x", "n": 2, "size": "1024x1024", "response_format": "b64_json"}),
        ],
        5_000,
    ),
    "packed": Target(
        packed,
        [
            msgpack.packb({"prompt": "x", "request_id": "r", "seed": 2**63, "sync_mode": True}),
            msgpack.packb({"prompt": "x", "guidance_scale": float("nan"), "image_size": b"square"}),
        ],
        5_000,
    ),
    "parameters": Target(
        parameters, [parameters_text(REQUEST, "miniature").encode(), _json(FOOOCUS)], 10_000
    ),
    "graph": Target(graph, [_graph()], 8_000),
    "picture": Target(picture, _pictures(), 4_000),
    "batch": Target(
        batch,
        [
            b"a {red, blue} fox\n__animal__ by night\n",
            b'prompt,seed,size,count\n"a fox, red",7,256x256,2\n',
            _json({"prompt": "a fox", "seed": 7}) + b'\n"a boat"\n',
            _json({"kind": "text", "list": "YSBmb3g=", "words": {"animal": "fox"}}),
        ],
        4_000,
    ),
    "records": Target(records, _records(), 8_000),
}
