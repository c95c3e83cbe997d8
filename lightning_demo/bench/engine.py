"""`bench engine`: what Python costs around the models, the engine against `pipe(...)`.

On SDXL's full module tree with every model replaced by a constant, so that nothing but
orchestration is left. The engine side is the whole request: queue, thread, steps, previews, decode,
JPEG and the way back to the event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.clip.modeling_clip import CLIPTextModelOutput

from ..engine.base import Work, final_frame
from ..engine.build import about
from ..engine.local import LocalEngine
from ..model.loading import Components
from ..model.sampling.sampler import Sampler
from ..schemas import GenerationRequest
from . import report
from .bench_model import picture
from .peers.pipe import call, make_pipeline
from .random_sdxl import THIN, random_components

STEPS = 4
SIDE = 64  # px
ROUNDS = 8
PIPE_CALLS = 4  # a round
ENGINE_CALLS = 40
WARM_UP = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench engine`."""
    parser.add_argument(
        "--threads", type=report.positive, default=1, help="CPU threads (default: 1)"
    )


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(args.threads)
    components = random_components(THIN)
    unet = components.unets.get(STEPS)
    pipe = make_pipeline(components, unet, components.vae, components.text_encoders)
    stub_models(components, SIDE)
    sampler = Sampler(components)
    request = GenerationRequest("a red house by the sea at sunset", "", STEPS, 0.0, 7, SIDE, SIDE)

    def uncached() -> None:
        sampler.forget_prompts()
        picture(sampler, request)

    times: dict[str, list[float]] = {"pipe": [], "engine_cached": [], "engine_uncached": []}
    for _ in range(ROUNDS):
        times["pipe"] += _cpu_ms(lambda: call(pipe, request), PIPE_CALLS)
        times["engine_cached"] += _cpu_ms(lambda: picture(sampler, request), ENGINE_CALLS)
        times["engine_uncached"] += _cpu_ms(uncached, ENGINE_CALLS)
    whole = report.p50_p95(asyncio.run(_through_engine(sampler, request)))
    medians = {name: report.percentile(values, 0.5) for name, values in times.items()}
    speedups = {
        name: round(medians["pipe"] / medians[f"engine_{name}"], 1)
        for name in ("cached", "uncached")
    }
    rows = [
        ["pipe(prompt)", f"{medians['pipe']:.2f}", "1"],
        ["sampler, new prompt", f"{medians['engine_uncached']:.2f}", f"{speedups['uncached']}"],
        ["sampler, known prompt", f"{medians['engine_cached']:.2f}", f"{speedups['cached']}"],
    ]
    print(f"CPU time of one {STEPS}-step request around the models, which answer at once")
    print(report.table(["", "ms", "times less"], rows))
    print(f"whole request through the engine (queue, threads, JPEG), wall: {whole['p50']:.2f} ms")
    return {
        "benchmark": "engine",
        "num_inference_steps": STEPS,
        **{f"{name}_ms": round(ms, 3) for name, ms in medians.items()},
        "request_round_trip_ms": whole,
        **{f"speedup_{name}": speedup for name, speedup in speedups.items()},
        "threads": args.threads,
        **report.environment(),
    }


def stub_models(components: Components, side: int) -> None:
    """Takes the arithmetic out: every model answers with zeros of the right shape.

    Args:
        side: width and height of all pictures, px.
    """
    tokens = components.tokenizers[0].model_max_length
    for number, encoder in enumerate(components.text_encoders):
        hidden = torch.zeros(1, tokens, encoder.config.hidden_size)
        pooled = torch.zeros(1, encoder.config.projection_dim)
        states = {"last_hidden_state": hidden, "hidden_states": (hidden,) * 3}
        _answer(
            encoder,
            CLIPTextModelOutput(text_embeds=pooled, **states)
            if number
            else BaseModelOutputWithPooling(**states),
        )
    scale = components.vae_scale_factor
    latents = torch.zeros(1, 4, side // scale, side // scale)
    _answer(components.unets.get(components.spec.limits.default_steps), (latents,))
    image = torch.zeros(1, 3, side, side)
    for vae in (components.vae, components.preview_vae):
        vae.decode = lambda latents, return_dict=True, generator=None: (image,)


def _answer(module: torch.nn.Module, value: Any) -> None:
    module.forward = lambda *args, **kwargs: value


def _cpu_ms(call: Callable[[], object], repeats: int) -> list[float]:
    """CPU milliseconds of this thread for each call: blind to other processes."""
    call()
    times = []
    for _ in range(repeats):
        begun = time.thread_time()
        call()
        times.append((time.thread_time() - begun) * 1000)
    return times


async def _through_engine(sampler: Sampler, request: GenerationRequest) -> list[float]:
    engine = LocalEngine(lambda report: sampler, about(sampler.spec))
    times = []
    for _ in range(WARM_UP + ROUNDS * ENGINE_CALLS):
        begun = time.perf_counter()
        await final_frame(engine, Work(request))
        times.append((time.perf_counter() - begun) * 1000)
    await engine.aclose()
    return times[WARM_UP:]
