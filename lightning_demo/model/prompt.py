"""Prompts to the embeddings that condition the UNet, remembered by prompt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.func import functional_call
from transformers import CLIPTextModel

from .loading import Components
from .tiers import Tiers


@dataclass(frozen=True, slots=True)
class PromptEmbedding:
    """What SDXL's two text encoders say of one prompt."""

    hidden: torch.Tensor  # [1, tokens, features of both encoders]
    pooled: torch.Tensor  # [1, features of the second encoder's projection]
    token_limit: int | None = None  # set when the prompt was longer and its end was not read
    projected: torch.Tensor | None = None  # `attention.project` of hidden, for one step count


class PromptEncoder:
    """Encodes prompts as SDXL does: both encoders' penultimate states, side by side.

    Seed, step and size changes never encode again: the latest prompts stay in memory.
    """

    def __init__(self, components: Components, tiers: Tiers, capacity: int = 256) -> None:
        self._tokenizers = components.tokenizers
        self._encoders = components.text_encoders
        self._device = components.device
        self._stay = components.profile.text_encoders_stay
        self._tiers = tiers
        self._capacity = capacity
        self._memory: OrderedDict[str, PromptEmbedding] = OrderedDict()

    @torch.inference_mode()
    def encode(self, prompt: str) -> PromptEmbedding:
        """The embedding of a prompt; what goes beyond the encoders' tokens is cut off."""
        embedding = self._memory.get(prompt)
        if embedding is None:
            embedding = self._memory[prompt] = self._encode(prompt)
            if len(self._memory) > self._capacity:
                self._memory.popitem(last=False)
        self._memory.move_to_end(prompt)
        return embedding

    def encode_negative(self, negative_prompt: str, like: PromptEmbedding) -> PromptEmbedding:
        """The embedding to steer away from: zeros when there is no negative prompt.

        SDXL was trained with its text dropped to zeros, not to an encoded empty string
        (`force_zeros_for_empty_prompt` in diffusers).
        """
        if negative_prompt:
            return self.encode(negative_prompt)
        return PromptEmbedding(torch.zeros_like(like.hidden), torch.zeros_like(like.pooled))

    def _encode(self, prompt: str) -> PromptEmbedding:
        hidden, pooled, token_limit = [], None, None
        for tokenizer, encoder in zip(self._tokenizers, self._encoders, strict=True):
            tokens = tokenizer(
                prompt,
                padding="max_length",
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_overflowing_tokens=True,
                return_tensors="pt",
            )
            if len(tokens.input_ids) > 1:
                token_limit = tokenizer.model_max_length
            states, pooled = self._states(encoder, tokens.input_ids[:1].to(self._device))
            hidden.append(states)
        # The second encoder's output is the projected, pooled text.
        assert pooled is not None  # noqa: S101
        return PromptEmbedding(torch.cat(hidden, dim=-1), pooled, token_limit)

    def _states(
        self, encoder: CLIPTextModel, input_ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self._stay:
            return self._tiers.call("text", text_states, encoder, input_ids)
        return text_states(visitor(encoder, self._device), input_ids)


def text_states(
    encoder: Callable[..., Any], input_ids: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The penultimate hidden states [B, tokens, features] and the first output of an encoder."""
    output = encoder(input_ids, output_hidden_states=True)
    return output.hidden_states[-2], output[0]


def visitor(module: torch.nn.Module, device: torch.device) -> Callable[..., Any]:
    """The module as a function computed on a device where it does not stay.

    Its weights are copied there and are gone with the function; the module keeps its own.
    """
    own = [*module.named_parameters(), *module.named_buffers()]
    there = {name: tensor.to(device, non_blocking=True) for name, tensor in own}
    return lambda *args, **options: functional_call(module, there, args, options)
