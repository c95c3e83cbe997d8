"""Prompts to the embeddings that condition the UNet, remembered by prompt."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch

from .loading import Components


@dataclass(frozen=True, slots=True)
class PromptEmbedding:
    """What SDXL's two text encoders say of one prompt."""

    hidden: torch.Tensor  # [1, tokens, features of both encoders]
    pooled: torch.Tensor  # [1, features of the second encoder's projection]
    token_limit: int | None  # set when the prompt was longer and its end was not read


class PromptEncoder:
    """Encodes prompts as SDXL does: both encoders' penultimate states, side by side.

    Seed, step and size changes never encode again: the latest prompts stay in memory.
    """

    def __init__(self, components: Components, capacity: int = 256) -> None:
        self._tokenizers = components.tokenizers
        self._encoders = components.text_encoders
        self._device = components.device
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
        return PromptEmbedding(
            torch.zeros_like(like.hidden), torch.zeros_like(like.pooled), token_limit=None
        )

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
            output = encoder(tokens.input_ids[:1].to(self._device), output_hidden_states=True)
            hidden.append(output.hidden_states[-2])
            pooled = output[0]  # the second encoder's is the projected, pooled text
        assert pooled is not None  # noqa: S101
        return PromptEmbedding(torch.cat(hidden, dim=-1), pooled, token_limit)
