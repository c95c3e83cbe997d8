"""Programs by OpenVINO, for CPUs: for all shapes, about twice as fast as torch there, or for single
shapes, which take three quarters of that for a UNet.

They hold the weights, so each module has one of its own. Nothing of OpenVINO is told to anybody:
its `convert_model`, which reports to its makers, is not used.
"""

from __future__ import annotations

import hashlib
import mmap
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch

from ...errors import Interrupted
from .fold import fold
from .programs import Call, Function, Program, Tensors

CHECK_BYTES = 32  # of a file: its end


class OpenVino:
    """Traced by TorchScript, converted and compiled; float32, on as many threads as torch has."""

    suffix = ".ov"
    gains = holds_weights = True

    def __init__(self) -> None:
        self._core = openvino.Core()
        self._options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",  # some processors would take bfloat16
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # others' threads may be pinned to the same cores
        }

    def identity(self, module: torch.nn.Module, tensors: Tensors, *, any_shape: bool) -> object:
        """Functions of other kinds of tensors, and other weights."""
        digest = _hash()
        for name, value in module.state_dict().items():
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.numpy(force=True).tobytes())
        shapes = [tensor.ndim if any_shape else tuple(tensor.shape) for tensor in tensors]
        return shapes, [tensor.dtype for tensor in tensors], digest.hexdigest()

    def make(
        self,
        function: Function,
        module: torch.nn.Module,
        tensors: Tensors,
        file: Path,
        *,
        any_shape: bool,
    ) -> None:
        """See `Compiler.make`."""
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # shapes that become constants; tests compare others
            examples = tuple(tensor.clone() for tensor in tensors)
            traced = TorchScriptPythonDecoder(
                Call(function, fold(module)).eval(),
                example_input=examples,
                trace_kwargs={"check_trace": False},  # it would be traced a second time
            )
            frontend = FrontEndManager().load_by_framework("pytorch")
            model = frontend.convert(frontend.load(traced))
        if not any_shape:
            model.reshape({place: list(tensor.shape) for place, tensor in enumerate(tensors)})
        compiled = self._core.compile_model(model, "CPU", self._options)
        content = compiled.export_model().getvalue()
        file.write_bytes(content + _hash(content).digest())

    def load(self, file: Path, module: torch.nn.Module, device: torch.device) -> Program:
        """See `Compiler.load`.

        Raises:
            ValueError: the file is not whole; OpenVINO would end the process.
        """
        # Mapped: weights that need no other layout stay in the file, and need no memory.
        with file.open("rb") as opened:
            pages = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
        whole = np.frombuffer(pages, np.uint8)
        content, check = whole[:-CHECK_BYTES], whole[-CHECK_BYTES:]
        if _hash(content).digest() != check.tobytes():
            raise ValueError("it is cut short or has been changed")
        blob = openvino.Tensor(content, shared_memory=True)
        program = _Program(self._core.import_model(blob, "CPU", self._options), blob)
        _let_go(pages)
        return program


class _Program:
    """A loaded program; one call at a time."""

    def __init__(self, compiled: Any, blob: Any) -> None:
        self._blob = blob  # as long as what is in it may be used
        self._request = compiled.create_infer_request()
        self._outputs = range(len(compiled.outputs))
        self._cancelled = False
        self._lock = threading.Lock()  # of both: what is cancelled knows it

    def __call__(self, *given: torch.Tensor) -> Any:
        arrays = [tensor.numpy() for tensor in given]
        with self._lock:
            self._cancelled = False
            # As fast as `infer`, which cannot be cancelled.
            self._request.start_async(arrays, share_inputs=True)
        try:
            self._request.wait()
        except RuntimeError:
            if self._cancelled:
                raise Interrupted from None
            raise
        # Copies: the next call writes to the same memory.
        found = [self._request.get_output_tensor(n).data.copy() for n in self._outputs]
        tensors = tuple(map(torch.from_numpy, found))
        return tensors if len(tensors) > 1 else tensors[0]

    def cancel(self) -> None:
        """See `Cancellable.cancel`: within milliseconds."""
        with self._lock:  # else it might be taken back, and the call cancelled all the same
            self._cancelled = True
            self._request.cancel()


def _let_go(pages: mmap.mmap) -> None:
    """Gives back the memory of what was read of a file: weights in another layout are copies.

    What is read again comes from the file again; nothing has been written to these pages.
    """
    if sys.platform != "win32":
        pages.madvise(mmap.MADV_DONTNEED)


def _hash(content: Any = b"") -> hashlib.blake2b:
    return hashlib.blake2b(content, digest_size=CHECK_BYTES)  # twice as fast as SHA-256
