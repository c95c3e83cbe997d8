"""`bench live`: the main job, measured as a user meets it, beside what people write today.

Both servers run as programs of their own and are typed at over real sockets, one after the other in
each round; a bare generation (UNet calls and decode, nothing else) is timed in between.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from gradio_client import Client
from websockets.asyncio.client import connect

from ..model.loading import load_components
from ..model.sampling.sampler import Sampler
from ..model.sampling.step import euler_step
from ..model.weights.checkpoints import MINIATURE
from ..schemas import GenerationRequest
from ..web.messages import split_frame
from . import report
from .program import program
from .typing_trace import KEYS_PER_SECOND, Shown, Trace, Typed, score, trace

PATIENCE = 30.0  # seconds
BARE_REPEATS = 15


def bench_live(seeds: int, num_inference_steps: int, threads: int) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    torch.set_num_threads(threads)
    sampler = Sampler(load_components(MINIATURE, "cpu"))
    sampler.warm_up()
    ours: list[Typed] = []
    peer: list[Typed] = []
    bare: list[float] = []
    options = ["--model", "miniature", "--device", "cpu", "--threads", str(threads)]
    serve = ["-m", "lightning_demo", "serve", *options, "--port", "{port}"]
    always_last = ["-m", "lightning_demo.bench.peers.always_last"]
    always_last += ["{port}", str(threads), str(num_inference_steps)]
    with program(serve) as our_url, program(always_last) as peer_url:
        asyncio.run(type_live(our_url, trace(-1), num_inference_steps))  # both warm
        type_gradio(peer_url, trace(-1))
        for number in range(seeds):
            bare += bare_generations(sampler, num_inference_steps)
            ours.append(asyncio.run(type_live(our_url, trace(number), num_inference_steps)))
            peer.append(type_gradio(peer_url, trace(number)))
            print(f"seed {number + 1} of {seeds} typed", flush=True)
    return _result(bare, ours, peer, num_inference_steps, threads)


def _result(
    bare: list[float], ours: list[Typed], peer: list[Typed], steps: int, threads: int
) -> dict[str, Any]:
    bare_ms = report.p50_p95(bare)

    def scored(rounds: list[Typed]) -> dict[str, Any]:
        values: dict[str, Any] = score(rounds)
        ratio = values["last_key_to_final_ms"]["p50"] / bare_ms["p50"]
        return {
            "bare_generation_ms": bare_ms,
            **values,
            "last_key_to_final_ratio_p50": round(ratio, 2),
            "first_paint_ratio_p50": round(values["first_paint_ms"]["p50"] / bare_ms["p50"], 2),
        }

    live, baseline = scored(ours), scored(peer)
    rows = [
        [label, *(f"{side[key]['p50']:.0f} / {side[key]['p95']:.0f}" for side in (live, baseline))]
        for label, key in (
            ("first paint, ms p50/p95", "first_paint_ms"),
            ("last key to final, ms p50/p95", "last_key_to_final_ms"),
        )
    ]
    for label, key in (
        ("last key to final / bare generation", "last_key_to_final_ratio_p50"),
        ("pictures while typing 40 keys", "pictures_while_typing"),
    ):
        rows.append([label, str(live[key]), str(baseline[key])])
    print(f"one bare {steps}-step generation: {bare_ms['p50']:.0f} ms")
    print(report.table(["", "this demo", "always_last"], rows))
    result = {"benchmark": "live", **live, "baseline": {"name": "always_last", **baseline}}
    for key in ("first_paint", "last_key_to_final"):
        ratio = baseline[f"{key}_ms"]["p50"] / live[f"{key}_ms"]["p50"]
        result[f"speedup_{key}_p50"] = round(ratio, 2)
    settings = {
        "num_inference_steps": steps,
        "threads": threads,
        "keys_per_second": KEYS_PER_SECOND,
        "seeds": len(ours),
    }
    return {**result, **settings, **report.environment()}


@torch.inference_mode()
def bare_generations(sampler: Sampler, num_inference_steps: int) -> list[float]:
    """Milliseconds of UNet calls and full decode, prompt already encoded, nothing around them."""
    width, height = MINIATURE.sizes[0]
    times = []
    for seed in range(BARE_REPEATS):
        request = GenerationRequest(
            trace(0).texts[-1], "", num_inference_steps, 0.0, seed, width, height
        )
        row = sampler.begin(request)
        unet = sampler.unet(num_inference_steps)
        begun = time.perf_counter()
        while not row.done:
            row.latents, _ = euler_step(unet, [row])
            row.step += 1
        sampler.finish(row)
        times.append((time.perf_counter() - begun) * 1000)
    return times


async def type_live(url: str, typing: Trace, num_inference_steps: int) -> Typed:
    """Types a trace at the running demo over its WebSocket."""
    shown: list[Shown] = []
    keys: list[float] = []
    width, height = MINIATURE.sizes[0]
    last = len(typing.texts) - 1
    async with connect(url.replace("http", "ws", 1) + "live", max_size=2**24) as socket:

        async def read() -> None:
            async for message in socket:
                if isinstance(message, str):
                    content = json.loads(message)
                    if content["type"] == "error":
                        raise RuntimeError(content["message"])
                    continue
                header, _ = split_frame(message)
                shown.append(Shown(time.perf_counter(), header["sequence"], header["final"]))
                if header["sequence"] == last and header["final"]:
                    return

        reading = asyncio.ensure_future(read())
        begun = time.perf_counter()
        for key, text in enumerate(typing.texts):
            await asyncio.sleep(max(0.0, begun + key / KEYS_PER_SECOND - time.perf_counter()))
            keys.append(time.perf_counter())
            request = {
                "prompt": text,
                "num_inference_steps": num_inference_steps,
                "guidance_scale": 0,
                "seed": typing.seed,
                "width": width,
                "height": height,
            }
            await socket.send(json.dumps({"sequence": key, "request": request}))
        await asyncio.wait_for(reading, PATIENCE)
    return Typed(tuple(keys), tuple(shown))


def type_gradio(url: str, typing: Trace) -> Typed:
    """Types a trace at the peer, sending as Gradio's page does with `always_last`.

    One event at a time; of the keys pressed meanwhile only the last is sent next. An event ends
    when its picture has been fetched.
    """
    client = Client(url, verbose=False, download_files=tempfile.gettempdir())
    shown: list[Shown] = []
    keys: list[float] = []
    running: tuple[int, Any] | None = None
    waiting: int | None = None
    last = len(typing.texts) - 1
    begun = time.perf_counter()
    while not shown or shown[-1].key != last:
        now = time.perf_counter()
        if now - begun > PATIENCE:
            raise RuntimeError("the peer gave no picture of the last key")
        if len(keys) <= last and now >= begun + len(keys) / KEYS_PER_SECOND:
            waiting = len(keys)
            keys.append(now)
        if running is not None and running[1].done():
            Path(running[1].result()).read_bytes()
            shown.append(Shown(time.perf_counter(), running[0], True))
            running = None
        if running is None and waiting is not None:
            job = client.submit(typing.texts[waiting], typing.seed, api_name="/paint")
            running, waiting = (waiting, job), None
        time.sleep(0.0005)
    return Typed(tuple(keys), tuple(shown))
