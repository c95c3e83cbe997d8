"""Seconds of the calls on some device: given, measured here, or read from a file."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ...engine.latency_model import Kind, LatencyModel, Size
from ...errors import InvalidSetting
from ...schemas import ROW_BUCKETS

if TYPE_CHECKING:
    from ...model.sampling.sampler import Sampler

KINDS = get_args(Kind)


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """What everything takes on one device, for pictures of one size."""

    name: str
    size: Size
    latency_model: LatencyModel
    prompt: float = 0.0  # seconds to begin one request, on the device
    encode: float = 0.0  # seconds from pixels to what is shown, beside the device

    def as_dict(self) -> dict[str, Any]:
        """The model as `from_file` reads it."""
        return {
            "name": self.name,
            "size": list(self.size),
            "prompt": self.prompt,
            "encode": self.encode,
            "calls": [[kind, list(size), rows, s] for kind, size, rows, s in self.latency_model],
        }


def linear(
    name: str,
    side: int,
    step: tuple[float, float],
    decoder: float,
    preview: float,
    *,
    prompt: float = 0.0,
    encode: float = 0.0,
) -> DeviceModel:
    """A model of square pictures, all in milliseconds.

    Args:
        side: px.
        step: of one row, and of each further one.
        decoder, preview: of each picture; sharing these calls saves nothing.
    """
    latency_model, size = LatencyModel(), (side, side)
    for rows in ROW_BUCKETS:
        latency_model.calibrate("step", size, rows, (step[0] + step[1] * (rows - 1)) / 1000)
        latency_model.calibrate("decoder", size, rows, decoder * rows / 1000)
        latency_model.calibrate("preview", size, rows, preview * rows / 1000)
    return DeviceModel(name, size, latency_model, prompt / 1000, encode / 1000)


# Published figures and targets for one H200, half precision; not measured by us. docs/scaling.md
# says where each is from.
GIVEN = {
    "h200-1024": linear("h200-1024", 1024, (22, 11), 35, 3, prompt=0.8, encode=3.0),
    "h200-512": linear("h200-512", 512, (10, 3), 9, 1, prompt=0.8, encode=0.7),
}


def device_model(name: str, threads: int = 2) -> DeviceModel:
    """The model of a name: one of `GIVEN`, `miniature`, or a JSON file.

    Args:
        threads: CPU threads that the miniature is measured with.

    Raises:
        InvalidSetting: there is none such, or the file is not one.
    """
    if name in GIVEN:
        return GIVEN[name]
    if name == "miniature":
        import torch

        from ..bench_model import miniature_sampler

        torch.set_num_threads(threads)
        return measured(miniature_sampler())
    return from_file(Path(name))


def measured(sampler: Sampler) -> DeviceModel:
    """The model of a sampler on this machine, as the engine measures it."""
    from ...engine.calibrate import calibrate
    from ...images import encode_jpeg
    from ...schemas import GenerationRequest

    spec = sampler.spec
    size: Size = spec.limits.sizes[0]
    latency_model = LatencyModel()
    for kind in KINDS:
        calibrate(sampler, latency_model, kind, size)
    prompts = [f"a red house by the sea {number}" for number in range(8)]
    begun = time.perf_counter()
    rows = [sampler.begin(GenerationRequest(text, "", 1, 0.0, 0, *size)) for text in prompts]
    prompt = (time.perf_counter() - begun) / len(prompts)
    pixels = sampler.finals(rows[:1])[0]
    begun = time.perf_counter()
    encode_jpeg(pixels)
    return DeviceModel(spec.name, size, latency_model, prompt, time.perf_counter() - begun)


def from_file(path: Path) -> DeviceModel:
    """Reads a model: `name`, `size` [width, height], `prompt` and `encode` in seconds (0 when
    absent), and `calls`: [kind, [width, height], rows, seconds] each, as `LatencyModel` iterates.

    Raises:
        InvalidSetting: naming what is wrong.
    """
    given = ", ".join([*GIVEN, "miniature"])
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting(
            f"costs: {path} is none of {given}, nor a file that can be read ({error.strerror})."
        ) from None
    except ValueError:
        raise InvalidSetting(f"costs: {path} is not JSON.") from None
    try:
        size = _size(content["size"])
        latency_model = LatencyModel()
        for kind, of, rows, seconds in content["calls"]:
            if kind not in KINDS or not (isinstance(rows, int) and rows > 0 < _seconds(seconds)):
                raise ValueError
            latency_model.calibrate(kind, _size(of), rows, seconds)
        if {kind for kind, *_ in latency_model} != set(KINDS):
            raise ValueError
        prompt, encode = (_seconds(content.get(name, 0)) for name in ("prompt", "encode"))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InvalidSetting(
            f"costs: {path} must hold `size` [width, height], and `calls`, a list of "
            f"[kind, [width, height], rows, seconds] with all of {', '.join(KINDS)}, rows from 1 "
            "and seconds above 0; `prompt` and `encode` are seconds from 0."
        ) from None
    return DeviceModel(str(content.get("name", path.stem)), size, latency_model, prompt, encode)


def _size(value: Any) -> Size:
    width, height = value
    if not all(isinstance(side, int) and side > 0 for side in (width, height)):
        raise ValueError
    return width, height


def _seconds(value: Any) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError
    return float(value)
