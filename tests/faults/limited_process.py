"""A process that may have little more memory than it has, and whose steps want much more.

`python -m tests.faults.limited_process`: prints what became of its pictures, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lightning_demo.errors import LightningError
from lightning_demo.model.loading import load_components
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import GenerationRequest

from ..engine.observed import collect, observed_engine
from ..quick import quick_components

ROOM = 2**29  # bytes that it may have beside what it has
TOO_MUCH = 2**33
WANT = {
    "torch": lambda: torch.empty(TOO_MUCH, dtype=torch.uint8),
    "numpy": lambda: np.empty(TOO_MUCH, np.uint8),
}


def limit() -> None:
    """The system refuses more from here on, as a container with `ulimit -v` would."""
    lines = Path("/proc/self/status").read_text().splitlines()
    has = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (has + ROOM, has + ROOM))


async def paint() -> dict[str, str]:
    """What became of pictures whose steps want too much, and of those before and after each."""
    components = quick_components(load_components(MINIATURE, "cpu"))
    said: dict[str, str] = {}
    async with observed_engine(components) as (engine, _):

        async def ask(prompt: str) -> str:
            fields = {"prompt": prompt, "seed": 1, "num_inference_steps": 4}
            request = GenerationRequest.parse(fields, MINIATURE.limits)
            try:
                return "painted" if (await collect(engine, request))[-1].final else "not final"
            except LightningError as error:
                return f"{type(error).__name__}: {error}"

        said["before"] = await ask("before")
        limit()
        for kind, want in WANT.items():
            unet: Any = components.unets.get(4)
            handle = unet.register_forward_hook(lambda *args, want=want: want() and None)
            said[kind] = await ask(f"greedy by {kind}")
            handle.remove()
            said[f"after {kind}"] = await ask(f"after {kind}")
    return said


if __name__ == "__main__":
    print(json.dumps(asyncio.run(paint())), flush=True)
