"""The model that is measured, with real or random weights on one device, and requests to it."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field, replace
from typing import Literal

import diffusers
import numpy as np
import torch

from ..engine.build import loader
from ..errors import CheckpointError
from ..model.compile.compiled_functions import CompiledFunctions
from ..model.compile.program_folder import program_folder
from ..model.compile.programs import Programs
from ..model.compile.speed import Speed
from ..model.device import free_memory, pick_device
from ..model.hub.files import locate_all
from ..model.loading import Components, load_components
from ..model.memory_plan import TEXT_BYTES, UNET_BYTES, WORK_BYTES, plan_memory
from ..model.sampling.sampler import Sampler
from ..model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from ..model.weights.unet_files import UNetFiles
from ..model.weights.unets import Source
from ..schemas import GenerationRequest
from ..settings import Settings
from ..surroundings import compile_folder
from .random_sdxl import FULL, THIN, TINY, RandomWeights, random_components, unets_of

Weights = Literal["auto", "miniature", "tiny", "thin", "full", "real"]
COMPILED_WITHIN = 300.0  # seconds
PROMPT = "a red house by the sea at sunset"


@dataclass(frozen=True)
class BenchModel:
    """One model with its native size only: each further size is one more to compile."""

    weights: Weights
    components: Components
    source: Source  # of another UNet like it
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def request(self, num_inference_steps: int, *, seed: int = 7) -> GenerationRequest:
        """A request with a prompt that has not been seen before."""
        width, height = self.components.spec.sizes[0]
        prompt = f"{PROMPT}, {next(self._numbers)}"
        return GenerationRequest(prompt, "", num_inference_steps, 0.0, seed, width, height)


def load_bench_model(
    weights: Weights, device_name: str, layout: torch.memory_format = torch.preserve_format
) -> BenchModel:
    """Makes or loads a model.

    Args:
        layout: of UNets, and of decoders.

    Raises:
        CheckpointError: there is no such device, or the real weights are not on this machine.
    """
    diffusers.utils.logging.set_verbosity_error()  # it warns of dtypes that are as they should be
    device = pick_device(device_name)
    weights = _pick_weights(weights, device)
    shape = {"full": FULL, "thin": THIN, "tiny": TINY}.get(weights)
    spec = shape.spec if shape else MINIATURE if weights == "miniature" else SDXL_LIGHTNING
    small = weights in ("tiny", "thin", "miniature")
    resident = len(spec.checkpoints) if small else _unets_beside_peers(device)
    profile = replace(plan_memory(spec, device), unets=resident)
    if weights == "tiny":  # as in a small memory, where calls of several people are not compiled
        profile = replace(profile, text_encoders_stay=False)
    source: Source
    if shape:
        source = RandomWeights(shape, device, profile.dtype, layout)
        components = random_components(shape, device, profile, source)
    else:
        components = load_components(spec, device_name)
        source = UNetFiles(spec, device, profile.dtype, layout, pinned=True)
        unets = unets_of(source, profile.unets, spec.limits.num_inference_steps)
        components = replace(components, memory_plan=profile, unets=unets)
    for decoder in (components.vae, components.preview_vae):
        decoder.to(memory_format=layout)
    native = replace(spec, sizes=spec.sizes[:1])
    return BenchModel(weights, replace(components, spec=native), source)


def miniature_sampler(*num_inference_steps: int, compiles: bool = True) -> Sampler:
    """The miniature on the CPU as a server has it in the end: warm, and compiled if it compiles.

    Args:
        num_inference_steps: step counts that will be asked for, beside the usual one.
        compiles: False: never, whatever the settings say.
    """
    settings = Settings.from_environment()
    settings = replace(
        settings,
        compile=settings.compile and compiles,
        model="miniature",
        device="cpu",
        threads=torch.get_num_threads(),
        base="",
        lora="",
        variant="auto",
    )
    sampler = loader(MINIATURE, settings)(lambda share, sentence: None)
    sampler.warm_up()
    sampler.improvement.steps_in_use |= set(num_inference_steps)
    until = time.monotonic() + COMPILED_WITHIN
    while sampler.has_more and time.monotonic() < until:
        if not sampler.improve():
            time.sleep(0.1)  # another process compiles
    return sampler


def compiling_sampler(components: Components, speed: Speed) -> Sampler:
    """A sampler that compiles here what `speed` says, unless an earlier process has done so."""
    folder = program_folder(compile_folder(), "bench", speed, components.device_name)
    programs = Programs(folder, speed, make=True)
    return Sampler(components, speed, functions=CompiledFunctions(speed, programs=programs))


def picture(
    sampler: Sampler, request: GenerationRequest, *, preview: bool = False, steps: int | None = None
) -> np.ndarray:
    """A request's picture, uint8 [height, width, 3], by the preview decoder or the full one.

    Args:
        steps: the steps to take; all when absent.
    """
    row = sampler.begin(request)
    for _ in range(steps or request.num_inference_steps):
        sampler.step([row])
    return sampler.preview(row) if preview else sampler.finish(row)


def difference(sampler: Sampler, request: GenerationRequest, wanted: np.ndarray) -> int:
    """The largest difference of any pixel's value (0 … 255) to the picture wanted."""
    return int(np.abs(picture(sampler, request).astype(int) - wanted).max())


def _pick_weights(wanted: Weights, device: torch.device) -> Weights:
    """What "auto" stands for: on a GPU the real weights if they are here, else random ones."""
    if wanted != "auto":
        return wanted
    if device.type == "cpu":
        return "miniature"
    try:
        steps = SDXL_LIGHTNING.limits.num_inference_steps
        locate_all(SDXL_LIGHTNING.files(*steps), download=False)
    except CheckpointError:
        return "full"
    return "real"


def _unets_beside_peers(device: torch.device) -> int:
    """How many UNets of SDXL fit beside the two pipelines that we are compared with."""
    room = (free_memory(device) or 0) - 2 * (UNET_BYTES + TEXT_BYTES + WORK_BYTES)
    return max(1, min(4, int(room // UNET_BYTES)))
