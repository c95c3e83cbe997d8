"""Models that answer at once, so that nothing but what is around them is left to measure."""

from __future__ import annotations

from typing import Any

import torch

from ..model.loading import Components


def stub_models(components: Components, side: int) -> None:
    """Takes the arithmetic out: every model answers with zeros of the right shape.

    Args:
        side: width and height of all pictures, px.
    """
    tokens = components.tokenizers[0].model_max_length
    for encoder in components.text_encoders:
        hidden = torch.zeros(1, tokens, encoder.config.hidden_size)
        pooled = torch.zeros(1, encoder.config.projection_dim)
        first = hidden if encoder is components.text_encoders[0] else pooled
        _answer(encoder, _Output((hidden,) * 3, first))
    latents = torch.zeros(1, 4, side // 8, side // 8)
    _answer(components.unets.get(components.spec.limits.default_steps), (latents,))
    image = torch.zeros(1, 3, side, side)
    for vae in (components.vae, components.preview_vae):
        vae.decode = lambda latents, return_dict=True, generator=None: (image,)


def _answer(module: torch.nn.Module, value: Any) -> None:
    module.forward = lambda *args, **kwargs: value


class _Output(tuple):  # type: ignore[type-arg]
    """A text encoder's output: its first entry by position, its states by name."""

    hidden_states: tuple[torch.Tensor, ...]

    def __new__(cls, states: tuple[torch.Tensor, ...], first: torch.Tensor) -> _Output:
        output = super().__new__(cls, (first,))
        output.hidden_states = states
        return output
