"""Puts an engine together from the settings."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..model.device import choose_model
from ..model.weights.checkpoints import MINIATURE
from ..model.weights.fingerprint import fingerprint
from ..model.weights.lora_setting import Lora, parse_loras
from ..model.weights.model_spec import ModelSpec
from ..private import private_folder
from ..schemas import EngineStatus, Weights
from ..settings import Settings
from ..surroundings import compile_folder, cpu_threads, on_zerogpu
from .base import Engine
from .cached import CachedEngine, FrameCache
from .checking import Checking
from .fallbacks import with_fallbacks
from .latency_model import LatencyModel
from .local import Loader, LocalEngine
from .metrics import Metrics
from .precompile import COMMAND, Precompiler, stamp
from .standby import StandbyEngine

if TYPE_CHECKING:
    from ..model.memory_plan import MemoryPlan
    from ..model.sampling.sampler import Sampler


def build_engine(
    settings: Settings,
    *,
    stand_in: bool = False,
    fallback: bool = False,
    num_inference_steps: int | None = None,
    metrics: Metrics | None = None,
    latency_model: LatencyModel | None = None,
    elsewhere: Callable[[EngineStatus, Metrics], Engine] | None = None,
) -> Engine:
    """The engine that these settings ask for; it starts to load its model at once.

    On ZeroGPU it has loaded its model when it is returned.

    Args:
        stand_in: whether the miniature may answer while a model that has to be downloaded loads.
        fallback: whether the servers of the setting `fallback` stand by for this machine.
        num_inference_steps: whose weights are fetched and loaded first; the usual when absent.
        metrics: where to write what is measured; a stand-in writes to the same.
        latency_model: where to write what calls of the model take; a stand-in does not.
        elsewhere: makes the engine that paints in place of this process, which then never imports
            torch; given what is known of the model.
    """
    spec = choose_model(settings)
    metrics = metrics or Metrics()
    # Inside the memory of finished frames: a picture is looked at once.
    checking = Checking(settings.safety_checker, spec, metrics)
    if on_zerogpu():
        checking.load()
        lent = checking.around(_lent(spec, settings, metrics), spec)
        # Not shared: each picture is painted in somebody's own time, and fails with it.
        return CachedEngine(lent, _cache(settings), metrics, shares=False)
    loras = parse_loras(settings.lora)
    if elsewhere is not None:
        known = about(spec, loras, fp8=settings.fp8)
        several = elsewhere(known, metrics)
        if fallback:
            several = with_fallbacks(several, settings, known, metrics)
        return CachedEngine(checking.around_others(several), _cache(settings), metrics)
    load = checking.before(loader(spec, settings, num_inference_steps=num_inference_steps))

    def engine(
        load: Loader,
        spec: ModelSpec,
        loras: Sequence[Lora] = (),
        latency_model: LatencyModel | None = None,
        *,
        others: bool = False,
    ) -> Engine:
        known = about(spec, loras, fp8=settings.fp8)
        local = LocalEngine(load, known, metrics=metrics, latency_model=latency_model)
        # A stand-in is there only while nobody else is.
        several = with_fallbacks(local, settings, known, metrics) if others else local
        return CachedEngine(checking.around(several, spec), _cache(settings), metrics)

    if not stand_in or spec.lightning.folder is not None:
        return engine(load, spec, loras, latency_model, others=fallback)
    # LoRAs are made for one model and fit no other; float8 needs the GPU, and what is compiled
    # would come when the wanted model is here.
    simple = replace(settings, device="cpu", lora="", fp8=False, compile=False)
    first, second = _in_turn(loader(MINIATURE, simple), load)
    # One that is chosen while it paints must be known to the other, too.
    stand_in_spec = replace(MINIATURE, styles=spec.styles)
    return StandbyEngine(
        engine(second, spec, loras, latency_model, others=fallback),
        lambda: engine(first, stand_in_spec),
    )


def build_replica(settings: Settings, metrics: Metrics) -> tuple[Engine, LocalEngine]:
    """The engine of one process that paints for others, which remember; and the device's own.

    It starts to load its model at once.
    """
    spec = choose_model(settings)
    checking = Checking(settings.safety_checker, spec, metrics)
    known = about(spec, parse_loras(settings.lora), fp8=settings.fp8)
    local = LocalEngine(checking.before(loader(spec, settings)), known, metrics=metrics)
    return checking.around(local, spec), local


def expected(settings: Settings) -> EngineStatus:
    """What can be said of the model that these settings ask for."""
    return about(choose_model(settings), parse_loras(settings.lora), fp8=settings.fp8)


def _cache(settings: Settings) -> FrameCache:
    return FrameCache(int(settings.memory_mb * 2**20))


def _lent(spec: ModelSpec, settings: Settings, metrics: Metrics) -> Engine:
    """The engine of ZeroGPU, where each picture is painted on a GPU lent for it."""
    # Here and not above: Hugging Face's `spaces`, which this imports, is on no other machine, and
    # on ZeroGPU it has to come before torch.
    from .zerogpu import ZeroGpuEngine

    limits = spec.limits
    if spec.lightning.folder is None:
        # What is not loaded at the start would be downloaded in the visitor's time on the GPU,
        # and what is loaded moves to the GPU anew for each: 5 GB for each step count.
        limits = replace(limits, num_inference_steps=(limits.default_steps,))
    # "auto" would ask the driver, which is not here. What one lent process compiles or records is
    # gone with it.
    device = "cuda" if settings.device == "auto" else settings.device
    settings = replace(settings, device=device, compile=False, cuda_graphs=False)
    known = replace(about(spec, parse_loras(settings.lora)), limits=limits)
    return ZeroGpuEngine(loader(spec, settings), known, metrics=metrics)


def _in_turn(first: Loader, second: Loader) -> tuple[Loader, Loader]:
    """The same loaders, the second of which waits for the first.

    transformers changes torch's default dtype for the whole process while it makes a model: two
    that load at once would leave each other's behind.
    """
    loaded = threading.Event()

    def load_first(report: Callable[[float, str], None]) -> Sampler:
        try:
            return first(report)
        finally:
            loaded.set()

    def load_second(report: Callable[[float, str], None]) -> Sampler:
        loaded.wait()
        return second(report)

    return load_first, load_second


def about(spec: ModelSpec, loras: Sequence[Lora] = (), *, fp8: bool = False) -> EngineStatus:
    """What can be said of a model before it is loaded."""
    return EngineStatus(
        state="loading",
        model=spec.name,
        title=spec.title,
        limits=spec.limits,
        weights=Weights(spec.base_file, tuple((lora.path.name, lora.scale) for lora in loras)),
        fingerprint=fingerprint(spec, loras, fp8=fp8),
    )


def loader(
    spec: ModelSpec,
    settings: Settings,
    *,
    precompile: bool = True,
    num_inference_steps: int | None = None,
    plan: Callable[[MemoryPlan], MemoryPlan] = lambda plan: plan,
) -> Loader:
    """A function that loads the model; torch is imported by the thread that calls it.

    Args:
        precompile: whether a child process compiles, where the device has room for a second model,
            and this one only loads what it has compiled; else this one compiles.
        num_inference_steps: whose weights are loaded first; the usual when absent.
        plan: changes the memory plan.

    Raises:
        InvalidSetting: a LoRA cannot be what the setting `lora` says.
    """
    wanted = parse_loras(settings.lora)
    if settings.model == "auto" and spec.small and settings.device.startswith("cuda"):
        settings = replace(settings, device="cpu")  # `choose_model` has said why

    def load(report: Callable[[float, str], None]) -> Sampler:
        # Before torch reads it. What torch keeps there is code, too.
        if "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
            with suppress(OSError):
                private_folder(compile_folder())
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(compile_folder()))
        import torch

        from ..model.compile.compiled_functions import CompiledFunctions
        from ..model.compile.program_folder import program_folder
        from ..model.compile.programs import Programs
        from ..model.compile.speed import Speed
        from ..model.device import pick_device
        from ..model.loading import load_components
        from ..model.memory_plan import plan_memory
        from ..model.sampling.sampler import Sampler

        torch.set_num_threads(cpu_threads(settings.threads))
        device = pick_device(settings.device)
        speed = Speed.of(settings, device.type, small=spec.small)
        components = load_components(
            spec,
            settings.device,
            loras=wanted,
            speed=speed,
            memory_plan=plan(plan_memory(spec, device)),
            num_inference_steps=num_inference_steps,
            report=report,
        )
        if not speed.compile:
            return Sampler(components, speed)
        folder = program_folder(compile_folder(), spec.name, speed, components.device_name)
        programs = Programs(folder, speed, make=not precompile)
        functions = CompiledFunctions(speed, programs=programs)
        if not precompile:
            return Sampler(components, speed, functions=functions)
        option = components.memory_plan.as_option()
        child = Precompiler(
            partial(stamp, folder, option),
            settings.to_environment(),
            may_run=components.room_for_another,
            command=(*COMMAND, "--plan", option),
        )
        return Sampler(components, speed, functions=functions, may_compile=child.may_compile)

    return load
