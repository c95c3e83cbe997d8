"""The UNets of one model on the device: which is where, and how one becomes another.

Switching the step count must not take a second. As many UNets as the memory holds stay on the
device; beyond that, the least recently used one is overwritten from copies in the host's memory: in
place, because compiled code and CUDA graphs keep the addresses.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import torch
from diffusers import UNet2DConditionModel

from ...errors import CheckpointError
from ..hub.progress import Report
from .lora import Delta, by_weight, sum_deltas

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The weights and deltas that a UNet's parameters are computed from, in the host's memory."""

    weights: Mapping[str, torch.Tensor]  # whole state dict, best in the dtype of the UNet
    deltas: tuple[Delta, ...] = ()  # added in this order, rounded once
    shared: bool = False  # whether recipes of other step counts have the same weights


class Source(Protocol):
    """Where recipes and empty UNets come from: `UNetFiles`, or random weights."""

    def here(self, num_inference_steps: int) -> bool:
        """Whether the weights can be read now, without the network."""
        ...

    def read(self, num_inference_steps: int, report: Report) -> Recipe:
        """The recipe of a step count; may take minutes. Called from any thread."""
        ...

    def lasting(self, recipe: Recipe) -> Recipe:
        """The same in memory from which it is copied fastest; may take seconds. Any thread."""
        ...

    def blank(self) -> UNet2DConditionModel:
        """A UNet on the device whose parameters have any value."""
        ...


def write(recipe: Recipe, unet: UNet2DConditionModel) -> None:
    """Overwrites the parameters in place. Sums are taken in float32 on the UNet's device.

    Of weights in the UNet's dtype, whether they were cast before or are now: the same bits.
    """
    changes = by_weight(recipe.deltas)
    with torch.no_grad():
        for name, parameter in unet.state_dict().items():
            source = recipe.weights[name]
            if name in changes:
                there = source.to(parameter.device, parameter.dtype, non_blocking=True)
                parameter.copy_(sum_deltas(there, changes[name]))
            else:
                parameter.copy_(source, non_blocking=True)


class UNets:
    """The UNet for each step count. Belongs to the thread that owns the device."""

    def __init__(
        self,
        source: Source,
        capacity: int,
        step_counts: Sequence[int],
        *,
        room: Callable[[], bool] = lambda: True,
        finish: Callable[[UNet2DConditionModel], None] = lambda unet: None,
        synchronize: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            capacity: how many UNets the device holds, or fewer if its memory proves too small; with
                fewer than there are step counts, copies are kept in the host's memory.
            step_counts: all step counts of the model.
            room: whether the host's memory has room for one more set of weights.
            finish: called with each new UNet after its first weights are written.
            synchronize: waits until the device has done what it was told.
        """
        self._source, self._capacity = source, max(1, capacity)
        self._room, self._finish, self._synchronize = room, finish, synchronize
        self._step_counts = tuple(step_counts)
        self._live: OrderedDict[int, UNet2DConditionModel] = OrderedDict()
        self._recipes: dict[int, Recipe] = {}
        self._reading: dict[int, Future[Recipe]] = {}
        self._lasting: dict[int, Future[Recipe]] = {}
        self._news: dict[int, str] = {}
        self._spare: UNet2DConditionModel | None = None  # could not be overwritten
        self._overwriting = 0.0  # seconds, the last time
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="weights")

    def resident(self) -> tuple[UNet2DConditionModel, ...]:
        """The UNets on the device, the most recently used last."""
        return tuple(self._live.values())

    def resident_steps(self) -> tuple[int, ...]:
        """The step counts of `resident`, in the same order."""
        return tuple(self._live)

    def is_resident(self, num_inference_steps: int) -> bool:
        """Whether the UNet of a step count is on the device; may be asked at any time."""
        return num_inference_steps in self._live

    def get(self, num_inference_steps: int) -> UNet2DConditionModel:
        """The UNet distilled for this many steps; reads its files if that has not been done.

        Raises:
            CheckpointError: its file is missing, damaged or made for another model.
        """
        unet = self._live.get(num_inference_steps)
        if unet is None:
            recipe = self._recipe(num_inference_steps)
            unet = self._add(num_inference_steps, recipe)
            if unet is None:
                unet = self._overwrite(num_inference_steps, recipe)
        self._live.move_to_end(num_inference_steps)
        return unet

    def _add(self, num_inference_steps: int, recipe: Recipe) -> UNet2DConditionModel | None:
        """One more UNet on the device; None where it has no room for one."""
        if len(self._live) == self._capacity:
            return None
        try:
            # Parameters created in inference mode are inference tensors: they do not fit code
            # compiled for normal ones, and cannot be overwritten outside inference mode.
            with torch.inference_mode(False):
                unet = self._spare or self._source.blank()
                write(recipe, unet)
                if self._spare is None:
                    self._finish(unet)
                self._spare = None
        except torch.OutOfMemoryError as error:
            if not self._live:
                raise
            traceback.clear_frames(error.__traceback__)  # they hold half a UNet
            self._capacity = len(self._live)
            self._recipes[num_inference_steps] = recipe
            log.warning("the device has room for no more than %d UNets", self._capacity)
            return None
        self._live[num_inference_steps] = unet
        return unet

    def _overwrite(self, num_inference_steps: int, recipe: Recipe) -> UNet2DConditionModel:
        """The UNet that was used the longest ago, with other weights."""
        _, unet = self._live.popitem(last=False)
        self._synchronize()  # copies are only begun by `write`: they would seem to take no time
        begun = time.perf_counter()
        try:
            with torch.inference_mode(False):
                write(recipe, unet)
        except BaseException:
            self._spare = unet  # recordings know its address
            raise
        self._synchronize()
        self._overwriting = time.perf_counter() - begun
        self._live[num_inference_steps] = unet
        return unet

    def seconds_to_bring(self, num_inference_steps: int) -> float:
        """Seconds `get` took to overwrite a UNet the last time; 0 where it need not."""
        there = num_inference_steps in self._live or len(self._live) < self._capacity
        return 0.0 if there else self._overwriting

    def require(self, num_inference_steps: int) -> None:
        """Makes sure that `get` will not wait for the network.

        Files that are not on this machine are downloaded on another thread.

        Raises:
            CheckpointError: how far the download is, or why it failed.
        """
        if num_inference_steps in self._live or num_inference_steps in self._recipes:
            return
        reading = self._reading.get(num_inference_steps)
        if reading is None:
            if self._source.here(num_inference_steps):
                return
            reading = self.prefetch(num_inference_steps)
        if not reading.done():
            news = self._news.get(num_inference_steps, "waiting for their turn")
            raise CheckpointError(
                f"The weights for {num_inference_steps} steps are on their way: {news}. The other "
                "step counts go on meanwhile.",
                field="num_inference_steps",
            )
        if (error := reading.exception()) is not None:
            del self._reading[num_inference_steps]  # the next request tries again
            raise error

    def prefetch(self, num_inference_steps: int) -> Future[Recipe]:
        """Reads a step count's weights on another thread."""
        reading = self._reading.get(num_inference_steps)
        if reading is None:

            def report(fraction: float, sentence: str) -> None:
                self._news[num_inference_steps] = sentence

            reading = self._reader.submit(self._source.read, num_inference_steps, report)
            self._reading[num_inference_steps] = reading
        return reading

    def fetch_ahead(self) -> bool:
        """Loads weights that are on this machine before they are requested.

        Files are read on another thread; this one moves them to the device while it has room. Where
        it has no room for all, those on it will be overwritten: copies are kept of them, too, and
        moved to where they are copied fastest, which the first picture does not wait for. False
        when there is nothing left to do.
        """
        copies = self._capacity < len(self._step_counts)
        for steps in self._step_counts:
            if steps in self._recipes:
                if self._moves(steps):
                    return True
                continue
            if steps in self._live and not copies:
                continue
            reading = self._reading.get(steps)
            if reading is None and self._room() and self._source.here(steps):
                reading = self.prefetch(steps)
            if reading is None or (reading.done() and reading.exception() is not None):
                continue
            if reading.done():
                recipe = self._recipe(steps)
                if steps not in self._live:
                    self._add(steps, recipe)
            return True
        return False

    def _moves(self, num_inference_steps: int) -> bool:
        """Whether a recipe is still on its way to where it is copied fastest."""
        moving = self._lasting.get(num_inference_steps)
        if moving is None:
            recipe = self._recipes[num_inference_steps]
            moving = self._reader.submit(self._source.lasting, recipe)
            self._lasting[num_inference_steps] = moving
        if not moving.done():
            return True
        if moving.exception() is None:
            self._recipes[num_inference_steps] = moving.result()
        return False

    def _recipe(self, num_inference_steps: int) -> Recipe:
        recipe = self._recipes.get(num_inference_steps)
        if recipe is None:
            reading = self._reading.pop(num_inference_steps, None)
            if reading is not None:
                recipe = reading.result()
            else:
                recipe = self._source.read(num_inference_steps, lambda fraction, sentence: None)
            if self._capacity < len(self._step_counts):
                self._recipes[num_inference_steps] = recipe
        return recipe
