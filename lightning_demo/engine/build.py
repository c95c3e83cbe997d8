"""Puts an engine together from the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..model.checkpoints import MINIATURE, Family
from ..model.devices import choose_family
from ..model.style import styles
from ..schemas import EngineStatus
from ..settings import Settings
from .base import Engine
from .handover import Handover
from .local import Loader, LocalEngine
from .memory import FrameMemory, RememberingEngine

if TYPE_CHECKING:
    from ..model.sampling import Sampler


def build_engine(settings: Settings, *, stand_in: bool = False) -> Engine:
    """The engine that these settings ask for; it starts to load its model at once.

    Args:
        stand_in: whether the miniature may answer while a model that has to be downloaded loads.
    """
    family = choose_family(settings)
    load = loader(family, settings)
    if not stand_in or family.lightning.folder is not None:
        return _remembering(load, family, settings)
    # Styles are made for one model and fit no other.
    first, second = _in_turn(loader(MINIATURE, replace(settings, device="cpu", lora="")), load)
    return Handover(
        _remembering(second, family, settings), lambda: _remembering(first, MINIATURE, settings)
    )


def _remembering(load: Loader, family: Family, settings: Settings) -> RememberingEngine:
    memory = FrameMemory(int(settings.memory_mb * 2**20))
    return RememberingEngine(LocalEngine(load, about(family)), memory)


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


def about(family: Family) -> EngineStatus:
    """What can be said of a model before it is loaded."""
    return EngineStatus(
        state="loading", model=family.name, title=family.title, limits=family.limits
    )


def loader(family: Family, settings: Settings) -> Loader:
    """A function that loads the family; torch is imported by the thread that calls it.

    Raises:
        InvalidSetting: a style cannot be what the setting `lora` says.
    """
    wanted = styles(settings.lora)

    def load(report: Callable[[float, str], None]) -> Sampler:
        import torch

        from ..model.loading import load_components, pick_device
        from ..model.sampling import Sampler
        from ..model.speed import Speed

        torch.set_num_threads(settings.threads)
        speed = Speed.of(settings, pick_device(settings.device).type)
        components = load_components(
            family,
            settings.device,
            styles=wanted,
            channels_last=speed.channels_last,
            report=report,
        )
        return Sampler(components, speed)

    return load
