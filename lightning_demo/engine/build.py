"""Puts an engine together from the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..model.checkpoints import Family
from ..model.devices import choose_family
from ..model.style import styles
from ..schemas import EngineStatus
from ..settings import Settings
from .local import Loader, LocalEngine
from .memory import FrameMemory, RememberingEngine

if TYPE_CHECKING:
    from ..model.sampling import Sampler


def build_engine(settings: Settings) -> RememberingEngine:
    """The engine that these settings ask for; it starts to load its model at once."""
    family = choose_family(settings)
    memory = FrameMemory(int(settings.memory_mb * 2**20))
    return RememberingEngine(LocalEngine(loader(family, settings), about(family)), memory)


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
