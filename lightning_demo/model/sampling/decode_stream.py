"""Where the full decoder may work beside the steps: on a GPU in a stream of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import torch

from ..compile.compiled_functions import CompiledFunctions
from ..compile.speed import Speed
from ..loading import Components


class DecodeStream:
    """Says when a decode may go on beside steps, and keeps the two apart on the device."""

    def __init__(self, components: Components, speed: Speed, functions: CompiledFunctions) -> None:
        self._components = components
        self._functions = functions
        # Where memory is short, a step and a decode at the same time would not fit.
        memory = components.memory_plan
        roomy = memory.text_encoders_stay and memory.decoder == "full"
        self._has_stream = speed.decode_stream and roomy
        if self._has_stream:
            functions.apart = frozenset({"decoder"})

    @property
    def possible(self) -> bool:
        """Whether a thread may decode while another takes steps.

        Not where both would want the same cores, nor on a GPU without a stream for it.
        """
        if self._components.device.type != "cpu":
            return self._has_stream
        return 2 * torch.get_num_threads() <= (os.cpu_count() or 1)

    def may_decode(self, shape: tuple[int, ...]) -> bool:
        """Whether latents of this shape [B, 4, h, w] may be decoded beside steps, where `possible`.

        On a GPU only by a recorded call: the activations of any other would take memory on both
        streams.
        """
        ready = self._functions.ready
        return not self._has_stream or ready("decoder", self._components.vae, shape)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Inside, this thread's calls have a stream of their own.

        What they are given has to be computed: nothing on the other stream is waited for.
        """
        if not self._has_stream:
            yield
            return
        torch.cuda.set_device(self._stream.device)  # of a thread, and else the first
        with torch.cuda.stream(self._stream):
            yield

    @cached_property
    def _stream(self) -> torch.cuda.Stream:
        return torch.cuda.Stream(self._components.device)
