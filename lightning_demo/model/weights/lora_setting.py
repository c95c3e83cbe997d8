"""The setting `lora`: which LoRA files, at which scales. Knows names only; never torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import InvalidSetting
from ...paths import is_file, path_of

MAX_SCALE = 2.0


@dataclass(frozen=True, slots=True)
class Lora:
    """One LoRA file and how much of it is added."""

    path: Path
    scale: float = 1.0  # -2 … 2; 1 is what the file was made for; below 0 subtracts it


def parse_loras(text: str) -> tuple[Lora, ...]:
    """The LoRAs of the setting `lora`: "PATH[:SCALE]", several separated by commas.

    A path cannot contain a comma. It can contain colons: the scale is a number after the last one.

    Raises:
        InvalidSetting: naming `lora` and what is wrong with which part.
    """
    return tuple(_lora(part.strip()) for part in text.split(",") if part.strip())


def _lora(text: str) -> Lora:
    head, _, tail = text.rpartition(":")
    scale = _number(tail) if head else None
    if scale is None:
        head, scale = text, 1.0
    path = path_of(head)
    if not -MAX_SCALE <= scale <= MAX_SCALE:  # true for NaN as well
        raise InvalidSetting(
            f"lora: the scale of {path.name} must be from {-MAX_SCALE:g} to {MAX_SCALE:g}."
        )
    if path.suffix != ".safetensors":
        raise InvalidSetting(
            f"lora: {path} is not a .safetensors file; write PATH or PATH:SCALE, several separated "
            "by commas."
        )
    if not is_file(path):
        raise InvalidSetting(f"lora: there is no file {path}.")
    return Lora(path, scale)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
