"""Prompts that strain what reads them: painted, the same each time, and read back as they are."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from lightning_demo.images import encode_png
from lightning_demo.schemas import MAX_PROMPT_CHARACTERS, GenerationRequest
from lightning_demo.studio.picture_info import read_info, request_fields

from ..engine.observed import collect, observed_engine

MANY = MAX_PROMPT_CHARACTERS
STRANGE = {
    "accents on one letter": "Z" + "\u0301" * (MANY - 1),
    "accents of every kind": "a" + "".join(map(chr, range(0x300, 0x370))) * 300,
    "one word without end": "x" * MANY,
    "from right to left": "\u202eesuoh der a\u202c \u05d0\u05d1 \u2067a\u2069",
    "without width": "a\u200bred\u2060\ufeff house",
    "families": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 2_000,
    "brackets without end": "(" * (MANY // 2),
    "weights within weights": "(" * 5_000 + "a house:1.1" + ")" * 5_000,
}


@pytest.mark.parametrize("prompt", STRANGE.values(), ids=list(STRANGE))
def test_a_strange_prompt_is_painted_twice_alike_and_read_back(run, components, ask, prompt: str):
    async def paint(request: GenerationRequest) -> tuple[bytes, bytes]:
        async with observed_engine(components) as (engine, _):  # which remembers no prompt
            frame = (await collect(engine, request))[-1]
            kept = encode_png(frame.pixels, request, "miniature", frame.weights)
            assert (await collect(engine, ask("as ever")))[-1].final
        return frame.data, kept

    request = ask(prompt, num_inference_steps=1)
    (first, kept), (second, _) = run(paint(request)), run(paint(request))
    assert first == second
    Image.open(io.BytesIO(kept)).load()
    assert request_fields(read_info(kept, "a.png"))["prompt"] == request.prompt
