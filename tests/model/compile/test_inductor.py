"""What weights are called in programs that hold none; test_programs has the compiler itself."""

from __future__ import annotations

from typing import Any

import torch

from lightning_demo.model.compile.inductor import named_tensors

from .test_programs import Block


def test_a_parameter_of_several_tensors_goes_by_several_names():
    class Rounded:
        def __init__(self) -> None:
            self.values, self.scale = torch.zeros(3), torch.ones(1)

        def __tensor_flatten__(self) -> tuple[list[str], None]:
            return ["values", "scale"], None

    class Quantized:
        def __init__(self, weight: Any) -> None:
            self._weight = weight

        def named_parameters(self, prefix: str, remove_duplicate: bool) -> Any:
            yield f"{prefix}.layer.weight", self._weight

        def named_buffers(self, prefix: str, remove_duplicate: bool) -> Any:
            yield from ()

    weight = Rounded()
    found = named_tensors(Quantized(weight))  # type: ignore[arg-type]
    assert found["module.layer.parametrizations.weight.original0"] is weight.values
    assert found["module.layer.parametrizations.weight.original1"] is weight.scale
    names = named_tensors(Block())
    assert names["module.same.weight"] is names["module.convolution.weight"]
    assert names.keys() >= {"module.offset", "module.same.bias"}
