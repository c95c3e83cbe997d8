"""What a full-size SDXL takes of a GPU's memory, line by line: computed, from the memory plan."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import InvalidSetting
from .host_memory import KEPT_BYTES
from .memory_plan import (
    ANOTHER_BYTES,
    CONTEXT_BYTES,
    DECODE_BYTES,
    DECODERS_BYTES,
    GIB,
    STEP_BYTES,
    TEXT_BYTES,
    UNET_BYTES,
    VISIT_BYTES,
    MemoryPlan,
)

# GiB on the board, of which CUDA's context takes a part, and a desktop another.
CARDS = {
    "RTX 2070": 8,
    "RTX 3060": 12,
    "RTX 3070": 8,
    "RTX 3080": 10,
    "RTX 3090": 24,
    "RTX 4060": 8,
    "RTX 4070": 12,
    "RTX 4080": 16,
    "RTX 4090": 24,
    "RTX 5080": 16,
    "RTX 5090": 32,
    "T4": 15,
    "L4": 22,
    "A10": 22,
    "L40S": 45,
    "A100": 80,
    "H100": 80,
    "H200": 141,
}
COPY_SPEED = 20e9  # bytes a second from page-locked memory over PCIe 4.0 x16; else slower


def free_on(card: str) -> int:
    """Bytes that are free on a card of this name.

    Raises:
        InvalidSetting: no such card is known.
    """
    name = card.upper().removeprefix("NVIDIA ").removeprefix("GEFORCE ").strip()
    if name not in CARDS:
        known = ", ".join(CARDS)
        raise InvalidSetting(f"gpu: {card!r} is not known; take --memory, or one of {known}.")
    return CARDS[name] * GIB - CONTEXT_BYTES


def report(plan: MemoryPlan, free_bytes: int, step_counts: int) -> Iterator[tuple[str, str, str]]:
    """Lines of: what, how much, and when or why.

    Args:
        free_bytes: of the device.
        step_counts: how many UNets there are.
    """
    count = "1 UNet" if plan.unets == 1 else f"{plan.unets} UNets"
    others = "all step counts stay"
    if plan.unets < step_counts:
        seconds = UNET_BYTES / COPY_SPEED
        when = f"in {seconds:.1f} s or more"
        others = f"other step counts are copied over what was used least, {when}"
    yield count, _gb(plan.unets * UNET_BYTES), others
    if plan.text_encoders_stay:
        yield "text encoders", _gb(TEXT_BYTES), "stay"
    else:
        seconds = TEXT_BYTES / COPY_SPEED
        visit = f"come for each new prompt, in {seconds:.1f} s or more"
        yield "text encoders", _gb(VISIT_BYTES), visit
    yield "decoders", _gb(DECODERS_BYTES), "stay"
    words = {"full": "the full decoder at 1024 px", "tiled": "in tiles", "tiny": "the tiny decoder"}
    yield "a decode", _gb(DECODE_BYTES[plan.decoder]), words[plan.decoder]
    yield "steps", _gb(STEP_BYTES), "activations and CUDA graphs"
    left = free_bytes - needed(plan)
    yield (
        "left",
        _gb(left),
        f"of {_gb(free_bytes)} free, which CUDA's own {_gb(CONTEXT_BYTES)} are not in",
    )
    room = "there is room for it" if left > ANOTHER_BYTES else "not here"
    yield "compiling", _gb(ANOTHER_BYTES), f"a second model in a process of its own: {room}"
    if plan.decoder == "full" and plan.text_encoders_stay:
        yield "decode stream", _gb(DECODE_BYTES["full"]), "more with --decode-stream"
    if plan.unets < step_counts:
        copies = step_counts * UNET_BYTES + (0 if plan.text_encoders_stay else TEXT_BYTES)
        kept = f"of the host, page-locked while it keeps {_gb(KEPT_BYTES)} for others"
        yield "copies", _gb(copies), kept


def needed(plan: MemoryPlan) -> int:
    """Bytes that a plan takes at most; encoders that visit have left before anything is decoded."""
    decode = DECODE_BYTES[plan.decoder]
    text = TEXT_BYTES if plan.text_encoders_stay else 0
    visit = 0 if plan.text_encoders_stay else VISIT_BYTES
    return plan.unets * UNET_BYTES + text + DECODERS_BYTES + STEP_BYTES + max(visit, decode)


def _gb(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
