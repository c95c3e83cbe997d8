"""How long a second process takes to get as fast, with what the first compiled in the cache.

The second process is this module as a program; it prints its seconds as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from typing import Any

import torch

from ..model.compile.speed import Speed
from .ablation import Ablation, ablation
from .bench_model import Weights, load_bench_model
from .timing import problems

PATIENCE = 900.0  # seconds


def warm_start(
    weights: Weights, device: str, speed: Speed, threads: int, patience: float = PATIENCE
) -> dict[str, Any]:
    """Seconds that a new process takes, by stage; it finds this one's compiler cache."""
    fields = {name: getattr(speed, name) for name in Speed.__slots__}
    command = [sys.executable, "-m", __name__, weights, device, json.dumps(fields), str(threads)]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=patience, check=True
        )
    except subprocess.TimeoutExpired:
        return {"error": f"did not end within {patience:.0f} s"}
    except subprocess.CalledProcessError as error:
        return {"error": f"ended with {error.returncode}: {error.stderr[-1000:]}"}
    return json.loads(done.stdout.splitlines()[-1])


def main(weights: Weights, device: str, speed: Speed, threads: int) -> dict[str, Any]:
    """Learns what there is to learn, timed."""
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    begun = time.perf_counter()
    model = load_bench_model(weights, device)
    steps = model.components.spec.limits.default_steps
    stages = Ablation(model.components, (steps,))
    seconds: dict[str, Any] = {"load_seconds": round(time.perf_counter() - begun, 1)}
    with problems() as found:
        for stage in ablation(speed):
            begun = time.perf_counter()
            stages.advance(stage)
            if stage.compile_tasks:
                seconds[stage.tier] = round(time.perf_counter() - begun, 1)
    return {**seconds, "problems": found}


if __name__ == "__main__":
    weights_, device_, speed_, threads_ = sys.argv[1:]
    print(json.dumps(main(weights_, device_, Speed(**json.loads(speed_)), int(threads_))))  # type: ignore[arg-type]
