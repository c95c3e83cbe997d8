"""Graphs as ComfyUI's server runs them, with what they ask for, for both of our readers."""

from __future__ import annotations

from typing import Any

Graph = dict[str, Any]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def plain(**changes: Any) -> Graph:
    """ComfyUI's default workflow; `changes` are inputs of its sampler."""
    sampler = {
        "seed": 8566257,
        "steps": 20,
        "cfg": 8,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1,
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["7", 0],
        "latent_image": ["5", 0],
    }
    return {
        "3": node("KSampler", **{**sampler, **changes}),
        "4": node("CheckpointLoaderSimple", ckpt_name="v1-5.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
        "6": node("CLIPTextEncode", text="a cat \\(sitting\\), (red:1.2)", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="dogs", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    }


PLAIN = {
    "prompt": "a cat \\(sitting\\), (red:1.2)",
    "negative_prompt": "dogs",
    "num_inference_steps": 20,
    "guidance_scale": 8,
    "seed": 8566257,
    "width": 512,
    "height": 768,
}


def advanced() -> Graph:
    graph = plain(noise_seed=5, steps=["20", 0], end_at_step=10000)
    del graph["3"]["inputs"]["seed"]
    graph["3"]["class_type"] = "KSamplerAdvanced"
    return {**graph, "20": node("PrimitiveInt", value=30)}


def enlarged() -> Graph:
    """A second sampler goes on with what the first has made; its id comes first."""
    second = plain(seed=1, steps=7, denoise=0.5, latent_image=["10", 0])["3"]
    enlarger = node("LatentUpscale", samples=["3", 0], width=1024, height=1536)
    return {"2": second, **plain(), "10": enlarger}


def by_noise() -> Graph:
    """SamplerCustomAdvanced: noise, guider and sigmas are nodes of their own."""
    graph = plain()
    graph["3"] = node(
        "SamplerCustomAdvanced",
        noise=["11", 0],
        guider=["12", 0],
        sampler=["13", 0],
        sigmas=["14", 0],
        latent_image=["5", 0],
    )
    guider = node("CFGGuider", model=["4", 0], positive=["6", 0], negative=["7", 0], cfg=8)
    return {
        **graph,
        "11": node("RandomNoise", noise_seed=8566257),
        "12": guider,
        "13": node("KSamplerSelect", sampler_name="euler"),
        "14": node("BasicScheduler", model=["4", 0], scheduler="simple", steps=20, denoise=1),
    }


def without_negative() -> Graph:
    graph = by_noise()
    graph["12"] = node("BasicGuider", model=["4", 0], conditioning=["15", 0])
    graph["15"] = node("FluxGuidance", conditioning=["6", 0], guidance=3.5)
    return graph


def zeroed() -> Graph:
    graph = plain(negative=["10", 0])
    return {**graph, "10": node("ConditioningZeroOut", conditioning=["6", 0])}


def controlled() -> Graph:
    """A node that hands on both conditionings, each by its own output."""
    both = node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], image=["11", 0])
    graph = plain(positive=["10", 0], negative=["10", 1])
    return {**graph, "10": both, "11": node("LoadImage", image="pose.png")}


def elsewhere() -> Graph:
    """Texts and numbers stand in nodes that nobody has heard of."""
    graph = plain(seed=["10", 3], cfg=["12", 0])
    graph["6"]["inputs"]["text"] = ["11", 0]
    graph["5"]["inputs"]["width"] = ["13", 0]
    return {
        **graph,
        "10": node("Seed Everywhere", seed=8566257),
        "11": node("Text Concatenate", delimiter=1, text_a=["14", 0]),
        "12": node("Float", value=8),
        "13": node("Int", value=512),
        "14": node("Text", text="a cat \\(sitting\\), (red:1.2)"),
    }


def loader() -> Graph:
    """One node from which everything comes, its prompts as inputs."""
    everything = node(
        "Efficient Loader",
        ckpt_name="v1-5.safetensors",
        positive="a cat \\(sitting\\), (red:1.2)",
        negative="dogs",
        empty_latent_width=512,
    )
    graph = plain(positive=["1", 1], negative=["1", 2])
    return {"1": everything, "3": graph["3"], "5": graph["5"]}


def circle() -> Graph:
    graph = plain(positive=["10", 0], latent_image=["11", 0])
    return {
        **graph,
        "10": node("ConditioningCombine", conditioning_1=["10", 0], conditioning_2=["12", 0]),
        "11": node("LatentBlend", samples1=["3", 0], samples2=["11", 0], samples3=["5", 0]),
        "12": node("ConditioningCombine", conditioning_1=["10", 0], conditioning_2=["6", 0]),
        "13": "no node",
        "14": {"class_type": "NoInputs"},
        "15": None,
    }


def other(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**PLAIN, **changes}.items() if value is not None}


# By name: a graph, and the fields of a request that it says.
GRAPHS: dict[str, tuple[Graph, dict[str, Any]]] = {
    "plain": (plain(), PLAIN),
    "advanced": (advanced(), other(seed=5, num_inference_steps=30)),
    "enlarged": (enlarged(), PLAIN),
    "by noise": (by_noise(), PLAIN),
    "without negative": (without_negative(), other(negative_prompt=None, guidance_scale=None)),
    "zeroed": (zeroed(), other(negative_prompt=None)),
    "controlled": (controlled(), PLAIN),
    "elsewhere": (elsewhere(), PLAIN),
    "loader": (loader(), PLAIN),
    "circle": (circle(), PLAIN),
    "from a picture": (
        plain(latent_image=["10", 0]) | {"10": node("VAEEncode", pixels=["11", 0])},
        other(width=None, height=None),
    ),
    "a dangling link": (plain(positive=["404", 0]), other(prompt=None)),
}
