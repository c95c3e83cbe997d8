"""Prompt embeddings: remembered, cut where the encoders end, zeros for no negative prompt."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from lightning_demo.model.compile.compiled_functions import CompiledFunctions
from lightning_demo.model.compile.speed import Speed
from lightning_demo.model.loading import page_lock_encoder
from lightning_demo.model.sampling.prompt import (
    PromptEncoder,
    PromptProjections,
    offloaded,
    text_states,
)
from lightning_demo.model.token_chunks import MAX_CHUNKS
from lightning_demo.model.weights.page_locked import pack


@pytest.fixture(scope="module")
def prompts(components: Any) -> PromptEncoder:
    return PromptEncoder(components, CompiledFunctions(Speed()), capacity=3)


def test_a_known_prompt_is_not_encoded_again(prompts: PromptEncoder, components: Any):
    calls = []
    handle = components.text_encoders[0].register_forward_hook(lambda *args: calls.append(1))
    try:
        first = prompts.encode("a red house")
        assert prompts.encode("a red house") is first and len(calls) == 1
        for prompt in ("one", "two", "three"):
            prompts.encode(prompt)
        assert prompts.encode("a red house") is not first and len(calls) == 5
    finally:
        handle.remove()


def test_a_new_prompt_does_not_list_all_words(
    prompts: PromptEncoder, components: Any, monkeypatch: pytest.MonkeyPatch
):
    """Of SDXL's tokenizers that takes 20 ms each time."""
    for tokenizer in components.tokenizers:
        monkeypatch.setattr(tokenizer, "get_vocab", lambda: pytest.fail("all words were listed"))
    prompts.encode("a lighthouse, " * 40)
    prompts.clear()
    prompts.encode("a lighthouse, " * 40)


def test_shapes_are_those_of_both_encoders(prompts: PromptEncoder, components: Any):
    embedding = prompts.encode("a cat")
    first, second = components.text_encoders
    tokens = components.tokenizers[0].model_max_length
    width = first.config.hidden_size + second.config.hidden_size
    assert embedding.hidden.shape == (1, tokens, width)
    assert embedding.pooled.shape == (1, second.config.projection_dim)


def test_what_is_too_long_is_cut_and_said(prompts: PromptEncoder, components: Any):
    assert prompts.encode("a cat").token_limit is None
    long = prompts.encode("a red house " * 10_000)
    size = components.tokenizers[0].model_max_length
    assert (long.token_limit, long.chunks) == (MAX_CHUNKS * (size - 2), MAX_CHUNKS)
    assert long.hidden.shape[1] == MAX_CHUNKS * size
    assert torch.isfinite(long.hidden).all()


def test_no_negative_prompt_is_zeros(prompts: PromptEncoder):
    like = prompts.encode("a cat")
    nothing = prompts.encode_negative("", like)
    assert not nothing.hidden.any() and not nothing.pooled.any()
    assert nothing.hidden.shape == like.hidden.shape
    assert prompts.encode_negative("a dog", like).hidden.any()


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60))
def test_any_text_can_be_encoded(prompts: PromptEncoder, text: str):
    embedding = prompts.encode(text)
    assert torch.isfinite(embedding.hidden).all() and torch.isfinite(embedding.pooled).all()


def test_an_offloaded_encoder_is_computed_there_and_stays_here():
    """On "meta", the one other device that is everywhere."""
    encoder = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3)).eval()
    places = [tensor.data_ptr() for tensor in encoder.state_dict().values()]
    there = offloaded(encoder, torch.device("meta"))
    assert there(torch.zeros(2, 3, device="meta")).is_meta
    after = encoder.state_dict().values()
    assert [tensor.data_ptr() for tensor in after] == places
    assert not any(tensor.is_meta for tensor in after)


@pytest.mark.parametrize("room", [True, False])
def test_encoders_that_visit_lie_in_memory_that_is_copied_fast_where_there_is_room(
    components: Any, monkeypatch: pytest.MonkeyPatch, room: bool
):
    """Each prompt is a key that somebody types, and waits for that copy."""
    encoder = copy.deepcopy(components.text_encoders[0])
    before = dict(encoder.state_dict())
    packed = pack(before, lambda size: torch.empty(size, dtype=torch.uint8))
    monkeypatch.setattr(
        "lightning_demo.model.loading.page_lock", lambda weights, place: packed if room else None
    )
    page_lock_encoder(encoder, torch.device("cuda"))
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.data_ptr() == (packed if room else before)[name].data_ptr()
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_encoders_that_visit_the_device_say_the_same(components: Any):
    guests = replace(
        components, memory_plan=replace(components.memory_plan, text_encoders_stay=False)
    )
    tiers = CompiledFunctions(Speed())
    stay = PromptEncoder(components, tiers).encode("a red house")
    visit = PromptEncoder(guests, tiers).encode("a red house")
    assert torch.equal(stay.hidden, visit.hidden) and torch.equal(stay.pooled, visit.pooled)


def test_a_cached_projection_does_not_bring_its_unet_to_the_device(
    prompts: PromptEncoder, components: Any
):
    projections, embedding = PromptProjections(), prompts.encode("a red house")
    first = projections.get(lambda: components.unets.get(4), 4, "a red house", embedding)
    assert first.projected is not None

    def refuse() -> Any:
        raise AssertionError("the UNet was asked for")

    assert projections.get(refuse, 4, "a red house", embedding) is first


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("prompt", ["", "a red house", "! !!", "a red house " * 10, "A  Réd"])
def test_a_tokenizer_that_pads_otherwise_is_heeded(components: Any, prompt: str, alike: bool):
    """SDXL's second one does; where only that is different it is not even asked."""
    first, second = components.tokenizers[0], copy.deepcopy(components.tokenizers[1])
    second.pad_token = "!"  # noqa: S105
    if not alike:
        second.add_tokens(["unknown to the other"])
    parts = replace(components, tokenizers=(first, second))
    found = PromptEncoder(parts, CompiledFunctions(Speed())).encode(prompt)
    options = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
    with torch.inference_mode():
        states = [
            text_states(encoder, tokenizer(prompt, max_length=32, **options).input_ids)
            for tokenizer, encoder in zip((first, second), components.text_encoders, strict=True)
        ]
    assert torch.equal(found.pooled, states[1][1])
    assert torch.equal(found.hidden, torch.cat([hidden for hidden, _ in states], dim=-1))
    assert found.token_limit is None and found.chunks == 1


def test_a_long_prompt_is_its_chunks_side_by_side(prompts: PromptEncoder):
    parts = ["a red house " * 10, "a blue boat " * 10, "a cat"]
    long, each = prompts.encode(" ".join(parts)), [prompts.encode(part) for part in parts]
    assert long.chunks == 3 and long.token_limit is None
    # Rows of one call, and calls of one row, round otherwise.
    torch.testing.assert_close(long.hidden, torch.cat([one.hidden for one in each], dim=1))
    torch.testing.assert_close(long.pooled, each[0].pooled)


def test_weights_pull_tokens_and_leave_all_others_as_they_are(prompts: PromptEncoder):
    plain = prompts.encode("a red house by the sea").hidden
    for prompt, away in (
        ("a (red:1.5) house by the sea", 1.5),
        ("a [red] house by the sea", 1 / 1.1),
    ):
        hidden = prompts.encode(prompt).hidden
        changed = (hidden != plain).any(dim=-1)[0].nonzero().flatten().tolist()
        assert changed == [2]  # after the mark and "a"
        last = plain[:, -1]
        torch.testing.assert_close(hidden[:, 2] - last, (plain[:, 2] - last) * away)
    for prompt in ("a (red:1) house by the sea", "a (red:1.0) house by the sea"):
        assert torch.equal(prompts.encode(prompt).hidden, plain)


def test_brackets_that_are_signs_are_read_as_they_were(prompts: PromptEncoder, components: Any):
    tokenizer = components.tokenizers[0]
    read = prompts._chunks(r"a red \(house\) [\[x\]]", 0)
    texts = ["a red (house) ", "[x]"]
    numbers = [n for text in texts for n in tokenizer(text, add_special_tokens=False)["input_ids"]]
    assert read.numbers(0) == numbers
    assert prompts._chunks(r"a red \(house\)", 0).plain


def test_chunks_of_no_words_are_those_of_an_empty_prompt(prompts: PromptEncoder):
    one, nothing = prompts.encode("a cat"), prompts.encode("")
    two = prompts.padded(one, 2)
    assert two.chunks == 2 and torch.equal(two.hidden, torch.cat([one.hidden, nothing.hidden], 1))
    assert prompts.padded(two, 2) is two


def test_between_two_prompts_the_ends_are_the_prompts(prompts: PromptEncoder):
    one, other = prompts.encode("a red house"), prompts.encode("a blue boat " * 12)
    assert torch.equal(prompts.between("a red house", "a blue boat " * 12, 1).hidden, other.hidden)
    start = prompts.between("a red house", "a blue boat " * 12, 0)
    assert torch.equal(start.hidden, prompts.padded(one, 2).hidden)
    middle = prompts.between("a red house", "a blue boat", 0.5)
    there = prompts.encode("a blue boat")
    ratio = middle.pooled.norm() / ((one.pooled.norm() + there.pooled.norm()) / 2)
    assert 0.8 < ratio < 1.2 and not torch.equal(middle.hidden, one.hidden)


def test_memory_counts_chunks(prompts: PromptEncoder):
    prompts.encode("a cat")
    prompts.encode("a red house " * 25)  # three chunks, all that is kept
    assert list(prompts._memory) == ["a red house " * 25]
