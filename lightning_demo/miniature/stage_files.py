"""The weights of stages in the folder of a run: finished ones, and those that a stage goes on from.

`student-8.pt` is a finished stage. `student-8-start.pt` holds the weights of a release, or of an
earlier run, that the stage goes on from. A file says of which weights of other stages it was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from .kept import digest, replaced, weights


def start_of(stage: str) -> str:
    """The name of the weights of a release, or of an earlier run, that a stage goes on from."""
    return f"{stage}-start"


def save_stage(
    folder: Path,
    name: str,
    modules: Mapping[str, Mapping[str, torch.Tensor]],
    steps: int = 0,
    seconds: float = 0.0,
    made_of: str | None = None,
) -> None:
    """Keeps the weights of a finished stage, or those that it is to go on from (`start_of`).

    Args:
        made_of: the `StageFiles.digest` of the stages that it was made from.
    """
    saved = {"modules": modules, "steps": steps, "seconds": seconds, "made_of": made_of}
    with replaced(folder / f"{name}.pt") as new:
        torch.save(saved, new)


def load_stage(folder: Path, name: str, modules: Mapping[str, nn.Module]) -> bool:
    """Loads weights that were saved; False when there are none of this name."""
    path = folder / f"{name}.pt"
    if not path.exists():
        return False
    saved = torch.load(path, weights_only=True, map_location="cpu")["modules"]
    for key, module in modules.items():
        module.load_state_dict(saved[key])
    return True


@dataclass(frozen=True)
class StageFiles:
    """The stages in one folder.

    `load` takes finished stages only; `file` and `load_unet` fall back to the weights that a stage
    goes on from.
    """

    folder: Path

    def is_finished(self, stage: str) -> bool:
        """Whether the stage has been trained here, or adopted as it is."""
        return self._path(stage).exists()

    def has_start(self, stage: str) -> bool:
        """Whether there are weights that the stage goes on from."""
        return self._path(start_of(stage)).exists()

    def has(self, stage: str) -> bool:
        """Whether there are weights of this stage, finished or to go on from."""
        return self.is_finished(stage) or self.has_start(stage)

    def file(self, stage: str) -> Path:
        """The finished weights, or else those that the stage goes on from.

        Raises:
            SystemExit: there are neither.
        """
        for name in (stage, start_of(stage)):
            if self._path(name).exists():
                return self._path(name)
        raise self._missing(stage)

    def load(self, stage: str, modules: Mapping[str, nn.Module]) -> None:
        """Loads the weights of a finished stage.

        Raises:
            SystemExit: it is not finished.
        """
        if not load_stage(self.folder, stage, modules):
            raise self._missing(stage)

    def load_unet(self, stage: str, like: UNet2DConditionModel) -> UNet2DConditionModel:
        """A new UNet of the same architecture with the weights of `file(stage)`.

        Raises:
            SystemExit: there are none.
        """
        unet = UNet2DConditionModel.from_config(like.config)
        load_stage(self.folder, self.file(stage).stem, {"unet": unet})
        return unet

    def digest(self, *stages: str) -> str:
        """Of the weights in the `file` of each of these stages.

        Raises:
            SystemExit: one of them is not there.
        """

        def parts() -> Iterator[bytes | memoryview]:
            for stage in stages:
                saved = torch.load(self.file(stage), weights_only=True, map_location="cpu")
                for name, state in saved["modules"].items():
                    yield name.encode()
                    yield from weights(state)

        return digest(parts())

    def is_made_of(self, stage: str, *sources: str) -> bool:
        """Whether a finished stage was made from the weights that those stages have now.

        One of an older run does not say, and is taken as it is; so is one whose sources are gone.
        """
        made_of = torch.load(self._path(stage), weights_only=True).get("made_of")
        if made_of is None or not all(self.has(source) for source in sources):
            return True
        return made_of == self.digest(*sources)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.pt"

    def _missing(self, stage: str) -> SystemExit:
        return SystemExit(f"the stage {stage!r} must be trained first (in {self.folder})")
