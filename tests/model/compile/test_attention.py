"""Keys and values of a prompt, computed once: the same picture, less to compute."""

from __future__ import annotations

import copy
from typing import Any

import torch

from lightning_demo.model.compile.attention import (
    cross_attention_layers,
    join_projections,
    project,
)
from lightning_demo.model.compile.speed import Speed
from lightning_demo.model.sampling.sampler import Sampler


def test_projections_of_all_layers_lie_side_by_side(components: Any):
    unet = components.unets.get(4)
    layers = cross_attention_layers(unet)
    hidden = torch.randn(2, 77, unet.config.cross_attention_dim)
    projected = project(unet, hidden)
    assert projected.shape == (2, 77, 2 * sum(layer.to_k.out_features for layer in layers))
    last = layers[-1].to_v(hidden)
    assert torch.equal(projected[..., -last.shape[-1] :], last)


def test_one_product_of_joined_weights_is_all_of_them_bit_for_bit(components: Any):
    unet = components.unets.get(4)
    apart = copy.deepcopy(unet)
    hidden = torch.randn(2, 77, unet.config.cross_attention_dim)
    assert torch.equal(project(unet, hidden), project(apart, hidden))
    for layer in cross_attention_layers(apart):
        layer.to_k.weight.data.mul_(2)
    assert not torch.equal(project(unet, hidden), project(apart, hidden)), "it has its own"


def test_joined_weights_are_overwritten_in_place(components: Any):
    unet, other = (copy.deepcopy(components.unets.get(steps)) for steps in (4, 8))
    join_projections(unet)
    hidden = torch.randn(1, 77, unet.config.cross_attention_dim)
    for name, tensor in unet.state_dict().items():
        tensor.copy_(other.state_dict()[name])
    assert torch.equal(project(unet, hidden), project(other, hidden))
    assert unet.state_dict().keys() == other.state_dict().keys()


def test_the_layers_compute_no_keys_and_values_of_their_own(components: Any, ask: Any):
    calls: list[str] = []
    unet = components.unets.get(4)
    handles = [
        layer.to_k.register_forward_hook(lambda *args: calls.append("key"))
        for layer in cross_attention_layers(unet)
    ]
    try:
        for cached, expected in ((True, 0), (False, 4)):
            calls.clear()
            sampler = Sampler(components, Speed(cross_attention_cache=cached))
            row = sampler.begin(ask("a prompt of its own", num_inference_steps=4))
            while not row.done:
                sampler.step([row])
            assert len(calls) == expected * len(handles)
    finally:
        for handle in handles:
            handle.remove()


def test_the_picture_is_the_same_bit_for_bit_with_guidance_and_without(components: Any, ask: Any):
    for fields in ({}, {"guidance_scale": 3.0, "negative_prompt": "snow"}, {"guidance_scale": 2.0}):
        latents = []
        for cached in (True, False):
            sampler = Sampler(components, Speed(cross_attention_cache=cached))
            row = sampler.begin(ask("a red house", **fields))
            while not row.done:
                sampler.step([row])
            latents.append(row.latents)
        assert torch.equal(*latents)


def test_each_step_count_has_projections_of_its_own(components: Any, ask: Any):
    """Another checkpoint projects the same prompt otherwise."""
    sampler = Sampler(components)
    rows = [sampler.begin(ask("a cat", num_inference_steps=steps)) for steps in (4, 8, 4)]
    first, second, third = (row.prompt.projected for row in rows)
    assert first is third and first is not None and second is not None
    assert not torch.equal(first, second)
