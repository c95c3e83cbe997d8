"""Encodes prompts to the embeddings that condition the UNet, and caches them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.func import functional_call
from transformers import CLIPTokenizer

from ..compile.attention import project
from ..compile.compiled_functions import CompiledFunctions
from ..device import send
from ..loading import Components

PROJECTED_PROMPTS = 16  # 26 MB each for SDXL in half precision


@dataclass(frozen=True, slots=True)
class PromptEmbedding:
    """The output of SDXL's two text encoders for one prompt."""

    hidden: torch.Tensor  # [1, tokens, features of both encoders]
    pooled: torch.Tensor  # [1, features of the second encoder's projection]
    token_limit: int | None = None  # set when the prompt was longer and was cut off
    projected: torch.Tensor | None = None  # `attention.project` of hidden, for one step count


class PromptEncoder:
    """Encodes prompts as SDXL does: both encoders' penultimate states, side by side.

    Changes of seed, steps or size never encode again: the latest prompts are cached.
    """

    def __init__(
        self, components: Components, functions: CompiledFunctions, capacity: int = 256
    ) -> None:
        self._tokenizers = components.tokenizers
        self._token_limit = self._tokenizers[0].model_max_length
        first, second = self._tokenizers
        self._alike = first.get_vocab() == second.get_vocab()  # SDXL's differ in their padding
        self._encoders = components.text_encoders
        self._device = components.device
        self._stay = components.memory_plan.text_encoders_stay
        self._functions = functions
        self._capacity = capacity
        self._memory: OrderedDict[str, PromptEmbedding] = OrderedDict()

    def encode(self, prompt: str) -> PromptEmbedding:
        """The embedding of a prompt; tokens beyond the encoders' limit are cut off."""
        self.encode_all([prompt])
        return self._memory[prompt]

    @torch.inference_mode()
    def encode_all(self, prompts: Iterable[str]) -> int:
        """Caches the embeddings of all prompts; the new ones share one call of each encoder.

        Returns:
            How many were new.
        """
        prompts = list(dict.fromkeys(prompts))
        new = [prompt for prompt in prompts if prompt not in self._memory]
        # With a CUDA graph for one, one at a time is faster than all together eagerly.
        one, all_new = (
            self._functions.ready("text", self._encoders[0], (rows, self._token_limit))
            for rows in (1, len(new))
        )
        together = 1 if one and not all_new else max(1, len(new))
        for start in range(0, len(new), together):
            batch = new[start : start + together]
            self._memory.update(zip(batch, self._encode(batch), strict=True))
        for prompt in prompts:
            self._memory.move_to_end(prompt)
        while len(self._memory) > self._capacity:
            self._memory.popitem(last=False)
        return len(new)

    def encode_negative(self, negative_prompt: str, like: PromptEmbedding) -> PromptEmbedding:
        """The embedding to steer away from: zeros when there is no negative prompt.

        SDXL was trained with its text dropped to zeros, not to an encoded empty string
        (`force_zeros_for_empty_prompt` in diffusers).
        """
        if negative_prompt:
            return self.encode(negative_prompt)
        return PromptEmbedding(torch.zeros_like(like.hidden), torch.zeros_like(like.pooled))

    def _encode(self, prompts: Sequence[str]) -> list[PromptEmbedding]:
        states, pooled = [], None
        tokens, limits = self._tokens(prompts)
        for ids, encoder in zip(tokens, self._encoders, strict=True):
            input_ids = send(ids, self._device)
            if self._stay:
                hidden, pooled = self._functions.call("text", text_states, encoder, input_ids)
            else:
                hidden, pooled = text_states(offloaded(encoder, self._device), input_ids)
            states.append(hidden)
        # The second encoder's output is the projected, pooled text.
        assert pooled is not None  # noqa: S101
        hidden = torch.cat(states, dim=-1)
        return [
            # Copies: a view would keep the whole batch in memory.
            PromptEmbedding(hidden[i : i + 1].clone(), pooled[i : i + 1].clone(), limit)
            for i, limit in enumerate(limits)
        ]

    def _tokens(self, prompts: Sequence[str]) -> tuple[list[torch.Tensor], list[int | None]]:
        """Token ids [B, tokens] for each encoder; of prompts that were cut off, the limit."""
        first, second = self._tokenizers
        ids, used, cut = _tokens(first, prompts)
        if self._alike:
            other = torch.where(used, ids, second.pad_token_id)
        else:
            other, _, cut_there = _tokens(second, prompts)
            cut = [here or there for here, there in zip(cut, cut_there, strict=True)]
        return [ids, other], [self._token_limit if each else None for each in cut]


class PromptProjections:
    """Caches each prompt's keys and values for the UNet of one step count (`compile.attention`)."""

    def __init__(self) -> None:
        self._memory: OrderedDict[tuple[int, str | None], PromptEmbedding] = OrderedDict()

    def get(
        self,
        unet: Callable[[], UNet2DConditionModel],
        num_inference_steps: int,
        text: str | None,
        embedding: PromptEmbedding,
    ) -> PromptEmbedding:
        """The embedding of `text` with its keys and values; text None: zeros.

        Args:
            unet: brings the UNet to the device; not called for what is cached.
        """
        key = (num_inference_steps, text)
        found = self._memory.get(key)
        if found is None:
            found = replace(embedding, projected=project(unet(), embedding.hidden))
            self._memory[key] = found
            if len(self._memory) > PROJECTED_PROMPTS:
                self._memory.popitem(last=False)
        self._memory.move_to_end(key)
        return found

    def clear(self) -> None:
        """Forgets all of them."""
        self._memory.clear()


def _tokens(
    tokenizer: CLIPTokenizer, prompts: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor, list[bool]]:
    """Token ids [B, tokens], which of them are not padding, and which prompts were cut off."""
    tokens = tokenizer(
        list(prompts),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_overflowing_tokens=True,
    )
    # What did not fit follows as rows of its own.
    rows = tokens["overflow_to_sample_mapping"]
    first = [rows.index(number) for number in range(len(prompts))]
    ids, used = (
        torch.tensor([tokens[key][row] for row in first]) for key in ("input_ids", "attention_mask")
    )
    return ids, used.bool(), [rows.count(number) > 1 for number in range(len(prompts))]


def text_states(
    encoder: Callable[..., Any], input_ids: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The penultimate hidden states [B, tokens, features] and the first output of an encoder."""
    output = encoder(input_ids, output_hidden_states=True)
    return output.hidden_states[-2], output[0]


def offloaded(module: torch.nn.Module, device: torch.device) -> Callable[..., Any]:
    """The module as a function on a device where its weights do not stay.

    They are copied there and freed with the function; the module itself does not move.
    """
    own = [*module.named_parameters(), *module.named_buffers()]
    there = {name: tensor.to(device, non_blocking=True) for name, tensor in own}
    return lambda *args, **options: functional_call(module, there, args, options)
