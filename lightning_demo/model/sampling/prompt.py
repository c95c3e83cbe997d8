"""Encodes prompts to the embeddings that condition the UNet, and caches them.

A prompt that fits a text encoder and weighs nothing is read as diffusers reads it, bit for bit.
Others are read in chunks (`token_chunks`), whose states are laid side by side; the pooled text is
the first chunk's. A token's weight pulls it away from the state of its chunk's last one, or nearer
to it: the way of diffusers' community pipeline `lpw_stable_diffusion_xl` and of `sd_embed`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
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
from ..token_chunks import COMMA, Chunks, in_chunks
from .slerp import slerp

PROJECTED_PROMPTS = 16  # chunks of them; 26 MB each for SDXL in half precision


@dataclass(frozen=True, slots=True)
class PromptEmbedding:
    """The output of SDXL's two text encoders for one prompt."""

    hidden: torch.Tensor  # [1, tokens of all chunks, features of both encoders]
    pooled: torch.Tensor  # [1, features of the second encoder's projection]
    token_limit: int | None = None  # set when the prompt was longer and was cut off
    projected: torch.Tensor | None = None  # `attention.project` of hidden, for one step count
    chunks: int = 1


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
        # Once: a tokenizer makes a dictionary of all its words each time, 20 ms for SDXL's.
        first_words, second_words = first.get_vocab(), second.get_vocab()
        self._commas = [words.get(COMMA) for words in (first_words, second_words)]
        alike = first_words == second_words  # SDXL's differ in their padding
        self._own = self._tokenizers[:1] if alike else self._tokenizers
        self._encoders = components.text_encoders
        self._device = components.device
        self._stay = components.memory_plan.text_encoders_stay
        self._functions = functions
        self._capacity = capacity
        self._memory: OrderedDict[str, PromptEmbedding] = OrderedDict()
        self._kept = 0  # chunks in memory

    @property
    def token_limit(self) -> int:
        """Tokens that the encoders read at once, with both marks."""
        return self._token_limit

    def encode(self, prompt: str) -> PromptEmbedding:
        """The embedding of a prompt; tokens beyond the last chunk are cut off."""
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
        # With a fast form for one, one at a time is faster than all together eagerly.
        one, all_new = (
            self._functions.ready("text", self._encoders[0], (rows, self._token_limit))
            for rows in (1, len(new))
        )
        together = 1 if one and not all_new else max(1, len(new))
        for start in range(0, len(new), together):
            batch = new[start : start + together]
            self._remember(batch, self._encode(batch))
        for prompt in prompts:
            self._memory.move_to_end(prompt)
        while self._kept > self._capacity and len(self._memory) > len(prompts):
            self._kept -= self._memory.popitem(last=False)[1].chunks
        return len(new)

    def clear(self) -> None:
        """Forgets all of them, as if every prompt were new."""
        self._memory.clear()
        self._kept = 0

    def padded(self, embedding: PromptEmbedding, chunks: int) -> PromptEmbedding:
        """The embedding with chunks of no words after its own, so many in all."""
        more = chunks - embedding.chunks
        if more <= 0:
            return embedding
        hidden = torch.cat([embedding.hidden, *[self.encode("").hidden] * more], dim=1)
        return replace(embedding, hidden=hidden, chunks=chunks)

    @torch.inference_mode()
    def between(self, prompt: str, other: str, amount: float) -> PromptEmbedding:
        """The embedding on the way from one prompt (0) to another (1), token by token."""
        # One by one: together they would round otherwise, as one of them is often known already.
        start, end = self.encode(prompt), self.encode(other)
        chunks = max(start.chunks, end.chunks)
        start, end = self.padded(start, chunks), self.padded(end, chunks)
        return PromptEmbedding(
            slerp(start.hidden, end.hidden, amount),
            slerp(start.pooled, end.pooled, amount),
            start.token_limit or end.token_limit,
            chunks=chunks,
        )

    def _remember(self, prompts: Sequence[str], embeddings: Sequence[PromptEmbedding]) -> None:
        self._memory.update(zip(prompts, embeddings, strict=True))
        self._kept += sum(embedding.chunks for embedding in embeddings)

    def encode_negative(self, negative_prompt: str, like: PromptEmbedding) -> PromptEmbedding:
        """The embedding to steer away from: zeros when there is no negative prompt.

        SDXL was trained with its text dropped to zeros, not to an encoded empty string
        (`force_zeros_for_empty_prompt` in diffusers).
        """
        if negative_prompt:
            return self.encode(negative_prompt)
        zeros = torch.zeros_like(like.hidden), torch.zeros_like(like.pooled)
        return PromptEmbedding(*zeros, chunks=like.chunks)

    def _encode(self, prompts: Sequence[str]) -> list[PromptEmbedding]:
        """The embeddings of new prompts: the plain ones in one call, each other one in its own."""
        read = [[self._chunks(prompt, n) for n in range(len(self._own))] for prompt in prompts]
        plain = [place for place, each in enumerate(read) if all(chunks.plain for chunks in each)]
        found: dict[int, PromptEmbedding] = {}
        if plain:
            hidden, pooled = self._states([self._rows(read[place], 1) for place in plain])
            for row, place in enumerate(plain):
                # Copies: a view would keep the whole batch in memory.
                part = slice(row, row + 1)
                found[place] = PromptEmbedding(hidden[part].clone(), pooled[part].clone())
        for place, each in enumerate(read):
            if place not in found:
                found[place] = self._encode_chunks(each)
        return [found[place] for place in range(len(prompts))]

    def _encode_chunks(self, read: Sequence[Chunks]) -> PromptEmbedding:
        """The embedding of a prompt that is long or has weights."""
        count = max(len(each.chunks) for each in read)
        hidden, pooled = self._states([self._rows(read, count)])
        weights = torch.ones(count, self._token_limit, 1)
        for row, chunk in enumerate(read[0].chunks):
            numbers = [token.weight for token in chunk]
            weights[row, 1 : 1 + len(numbers), 0] = torch.tensor(numbers)
        if bool((weights != 1).any()):
            weights = send(weights, hidden.device)
            last = hidden[:, -1:].float()
            weighed = last + (hidden.float() - last) * weights
            hidden = torch.where(weights == 1, hidden, weighed.to(hidden.dtype))
        limit = count * (self._token_limit - 2) if any(each.cut for each in read) else None
        hidden = hidden.reshape(1, -1, hidden.shape[-1])
        return PromptEmbedding(hidden, pooled[:1].clone(), limit, chunks=count)

    def _rows(self, read: Sequence[Chunks], count: int) -> list[list[list[int]]]:
        """Token ids [encoder][chunk][token] of a prompt, in so many chunks."""
        return [
            [_row(tokenizer, chunks.numbers(row)) for row in range(count)]
            for tokenizer, chunks in zip(
                self._tokenizers, read if len(read) > 1 else [read[0]] * 2, strict=True
            )
        ]

    def _chunks(self, prompt: str, which: int) -> Chunks:
        def tokenize(text: str) -> list[int]:
            return self._own[which](text, add_special_tokens=False, verbose=False)["input_ids"]

        return in_chunks(prompt, tokenize, self._token_limit - 2, self._commas[which])

    def _states(
        self, rows: Sequence[Sequence[list[list[int]]]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both encoders' states [B, tokens, features], and the pooled text.

        Args:
            rows: token ids [prompt][encoder][chunk][token]; B is the number of all chunks.
        """
        states, pooled = [], None
        for place, encoder in enumerate(self._encoders):
            ids = torch.tensor([chunk for prompt in rows for chunk in prompt[place]])
            input_ids = send(ids, self._device)
            if self._stay:
                hidden, pooled = self._functions.call("text", text_states, encoder, input_ids)
            else:
                hidden, pooled = text_states(offloaded(encoder, self._device), input_ids)
            states.append(hidden)
        # The second encoder's output is the projected, pooled text.
        assert pooled is not None  # noqa: S101
        return torch.cat(states, dim=-1), pooled


class PromptProjections:
    """Caches each prompt's keys and values for the UNet of one step count (`compile.attention`)."""

    def __init__(self) -> None:
        self._memory: OrderedDict[tuple[int, int, Hashable], PromptEmbedding] = OrderedDict()

    def get(
        self,
        unet: Callable[[], UNet2DConditionModel],
        num_inference_steps: int,
        text: Hashable,
        embedding: PromptEmbedding,
    ) -> PromptEmbedding:
        """The embedding with its keys and values.

        Args:
            text: what the embedding is of, in so many chunks.
            unet: brings the UNet to the device; not called for what is cached.
        """
        key = (num_inference_steps, embedding.chunks, text)
        found = self._memory.get(key)
        if found is None:
            found = replace(embedding, projected=project(unet(), embedding.hidden))
            self._memory[key] = found
            while sum(each.chunks for each in self._memory.values()) > PROJECTED_PROMPTS:
                self._memory.popitem(last=False)
        self._memory.move_to_end(key)
        return found

    def clear(self) -> None:
        """Forgets all of them."""
        self._memory.clear()


def _row(tokenizer: CLIPTokenizer, numbers: Sequence[int]) -> list[int]:
    """One chunk as an encoder takes it: with its marks, filled up."""
    whole = [tokenizer.bos_token_id, *numbers, tokenizer.eos_token_id]
    return whole + [tokenizer.pad_token_id] * (tokenizer.model_max_length - len(whole))


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
