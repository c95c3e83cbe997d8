"""A picture's settings as a workflow that ComfyUI opens when the picture is dropped on it.

They are the three workflows of SDXL-Lightning's model card (its own UNet, the LoRA on a base, the
1-step model): Euler, `sgm_uniform`, no guidance at `cfg` 1. ComfyUI's own pictures hold two texts,
and so do ours: `prompt`, the graph that its server runs, and `workflow`, the same as it lies on the
canvas (ComfyUI's nodes.py; docs.comfy.org/specs/workflow_json_0.4). Both are plain ASCII, as its
older versions read nothing else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from .schemas import GenerationRequest, Weights
from .weighting import pieces

MAX_CHARACTERS = 10_000  # of both prompts: no model reads more, and all is in the file twice

# Node id -> its class_type and inputs; an input that is a link: [node id, place of an output].
Graph: TypeAlias = dict[str, dict[str, Any]]

HUB = "https://huggingface.co"
LIGHTNING = f"{HUB}/ByteDance/SDXL-Lightning/resolve/main"
SDXL_BASE = "sd_xl_base_1.0.safetensors"
SDXL_BASE_URL = f"{HUB}/stabilityai/stable-diffusion-xl-base-1.0/resolve/main/{SDXL_BASE}"

ONE_STEP = "sdxl_lightning_1step_x0.safetensors"  # it predicts the picture, called x0
PUBLISHED = re.compile(r"sdxl_lightning_(1step_x0|[248]step(_lora)?)\.safetensors")

# The ids that ComfyUI's default workflow has.
SAMPLER, CHECKPOINT, LATENT, POSITIVE, NEGATIVE, DECODE, SAVE, PREDICTION = map(str, range(3, 11))
FIRST_LORA = 11
NOTE = 99


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of ComfyUI's nodes: what goes in and out, and its place on the canvas."""

    links: dict[str, str]  # inputs that are links, and their types
    widgets: tuple[str, ...]  # inputs that are values, in the order of the canvas
    outputs: tuple[str, ...]
    box: tuple[int, int, int, int]  # left, top, width, height


KINDS = {
    "CheckpointLoaderSimple": Kind(
        {}, ("ckpt_name",), ("MODEL", "CLIP", "VAE"), (0, 100, 400, 100)
    ),
    "LoraLoader": Kind(
        {"model": "MODEL", "clip": "CLIP"},
        ("lora_name", "strength_model", "strength_clip"),
        ("MODEL", "CLIP"),
        (0, 260, 400, 130),
    ),
    "ModelSamplingDiscrete": Kind(
        {"model": "MODEL"}, ("sampling", "zsnr"), ("MODEL",), (940, -40, 320, 90)
    ),
    "CLIPTextEncode": Kind({"clip": "CLIP"}, ("text",), ("CONDITIONING",), (460, 100, 420, 170)),
    "EmptyLatentImage": Kind(
        {}, ("width", "height", "batch_size"), ("LATENT",), (460, 540, 320, 110)
    ),
    "KSampler": Kind(
        {
            "model": "MODEL",
            "positive": "CONDITIONING",
            "negative": "CONDITIONING",
            "latent_image": "LATENT",
        },
        ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
        ("LATENT",),
        (940, 100, 320, 270),
    ),
    "VAEDecode": Kind({"samples": "LATENT", "vae": "VAE"}, (), ("IMAGE",), (1320, 100, 210, 50)),
    "SaveImage": Kind({"images": "IMAGE"}, ("filename_prefix",), (), (1320, 210, 420, 460)),
}
LORA_DISTANCE = 180  # px from one to the next below it
NEGATIVE_BELOW = 220  # px


def workflow_texts(request: GenerationRequest, model: str, weights: Weights) -> dict[str, str]:
    """The texts of a PNG by which ComfyUI opens it; none for prompts too long to write twice.

    The miniature's workflow names files of its own, which ComfyUI cannot load, and says so.
    """
    if len(request.painted_prompt) + len(request.painted_negative_prompt) > MAX_CHARACTERS:
        return {}
    graph = prompt_graph(request, model, weights)
    return {"prompt": json.dumps(graph), "workflow": json.dumps(on_canvas(graph, model))}


def prompt_graph(request: GenerationRequest, model: str, weights: Weights) -> Graph:
    """The nodes that paint a request, as ComfyUI's server takes them."""
    steps = request.num_inference_steps
    checkpoint, loras = _files(steps, model, weights)
    graph: Graph = {CHECKPOINT: _node("CheckpointLoaderSimple", ckpt_name=checkpoint)}
    unet, clip = [CHECKPOINT, 0], [CHECKPOINT, 1]
    for number, (name, scale) in enumerate(loras, FIRST_LORA):
        strengths = {"strength_model": scale, "strength_clip": scale}
        graph[str(number)] = _node("LoraLoader", model=unet, clip=clip, lora_name=name, **strengths)
        unet, clip = [str(number), 0], [str(number), 1]
    if steps == 1:
        graph[PREDICTION] = _node("ModelSamplingDiscrete", model=unet, sampling="x0", zsnr=False)
        unet = [PREDICTION, 0]
    graph[POSITIVE] = _node("CLIPTextEncode", clip=clip, text=as_weighted(request.painted_prompt))
    negative = as_weighted(request.painted_negative_prompt)
    graph[NEGATIVE] = _node("CLIPTextEncode", clip=clip, text=negative)
    graph[LATENT] = _node(
        "EmptyLatentImage", width=request.width, height=request.height, batch_size=1
    )
    graph[SAMPLER] = _node(
        "KSampler",
        model=unet,
        positive=[POSITIVE, 0],
        negative=[NEGATIVE, 0],
        latent_image=[LATENT, 0],
        seed=request.seed,
        steps=steps,
        cfg=request.guidance_scale if request.guided else 1.0,  # what asks the UNet once, there
        sampler_name="euler",
        scheduler="sgm_uniform",
        denoise=1.0,
    )
    graph[DECODE] = _node("VAEDecode", samples=[SAMPLER, 0], vae=[CHECKPOINT, 2])
    graph[SAVE] = _node("SaveImage", images=[DECODE, 0], filename_prefix="ComfyUI")
    return graph


def on_canvas(graph: Graph, model: str) -> dict[str, Any]:
    """A graph as ComfyUI's page keeps it: its nodes with places, and its links numbered."""
    links: list[list[Any]] = []
    nodes: dict[str, dict[str, Any]] = {}
    for order, (name, node) in enumerate(graph.items()):
        kind = KINDS[node["class_type"]]
        inputs: list[dict[str, Any]] = []
        for field, type_name in kind.links.items():
            source, slot = node["inputs"][field]
            number = len(links) + 1
            links.append([number, int(source), slot, int(name), len(inputs), type_name])
            nodes[source]["outputs"][slot]["links"].append(number)
            inputs.append({"name": field, "type": type_name, "link": number})
        outputs = [{"name": each, "type": each, "links": []} for each in kind.outputs]
        nodes[name] = {**_placed(name, node, kind), "order": order, "inputs": inputs}
        nodes[name]["outputs"] = outputs
    placed = list(nodes.values())
    if model != "sdxl-lightning":
        placed.append(
            _note(
                f"Painted by the {model}, whose weights ComfyUI does not load: choose "
                "SDXL-Lightning's files for the same settings with the real model."
            )
        )
    return {
        "last_node_id": max(node["id"] for node in placed),
        "last_link_id": len(links),
        "nodes": placed,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def as_weighted(prompt: str) -> str:
    """A prompt with its weights as ComfyUI reads them: it has no square brackets, and no others
    inside each other are needed; parentheses that are signs are escaped.
    """
    found = []
    for text, weight in pieces(prompt):
        signs = re.sub(r"([()])", r"\\\1", text)
        found.append(signs if weight == 1 else f"({signs}:{weight:.4g})")
    return "".join(found)


def of_weighted(text: str) -> str:
    """A prompt of ComfyUI's, whose weights mean the same here; its square brackets mean nothing."""
    return re.sub(r"(?<!\\)([\[\]])", r"\\\1", text)


def verbatim(text: str) -> str:
    """A text that comes out of a box of ComfyUI's page as it is.

    Braces are a choice by chance there, and two slashes, or one and a star, begin a comment: a
    choice of one thing parts them.
    """
    return re.sub(r"/(?=[/*])", "{/}", re.sub(r"([{}])", r"\\\1", text))


def _files(steps: int, model: str, weights: Weights) -> tuple[str, list[tuple[str, float]]]:
    """The checkpoint for a step count, and the LoRAs with their scales."""
    folder = "" if model == "sdxl-lightning" else f"{model}/"
    styles = list(weights.loras)
    if steps == 1:  # there is no such LoRA
        return folder + ONE_STEP, styles
    if not weights.base:
        return f"{folder}sdxl_lightning_{steps}step.safetensors", styles
    lora = f"{folder}sdxl_lightning_{steps}step_lora.safetensors"
    return folder + weights.base, [(lora, 1.0), *styles]


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def _placed(name: str, node: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """What a node on the canvas has beside its links."""
    class_type, inputs = node["class_type"], node["inputs"]
    left, top, width, height = kind.box
    if class_type == "LoraLoader":
        top += LORA_DISTANCE * (int(name) - FIRST_LORA)
    elif name == NEGATIVE:
        top += NEGATIVE_BELOW
    values = [inputs[field] for field in kind.widgets]
    if class_type == "KSampler":
        values.insert(1, "fixed")  # what becomes of the seed after each picture
    elif class_type == "CLIPTextEncode":
        values = [verbatim(inputs["text"])]
    properties: dict[str, Any] = {"Node name for S&R": class_type}
    file = inputs.get("ckpt_name") or inputs.get("lora_name") or ""
    if file == SDXL_BASE or PUBLISHED.fullmatch(file):
        properties["models"] = [_download(file)]
    return {
        "id": int(name),
        "type": class_type,
        "pos": [left, top],
        "size": [width, height],
        "flags": {},
        "mode": 0,
        "properties": properties,
        "widgets_values": values,
    }


def _download(name: str) -> dict[str, str]:
    """Where ComfyUI's page offers to fetch a file that is not there, and into which folder."""
    url = SDXL_BASE_URL if name == SDXL_BASE else f"{LIGHTNING}/{name}"
    directory = "loras" if name.endswith("_lora.safetensors") else "checkpoints"
    return {"name": name, "url": url, "directory": directory}


def _note(text: str) -> dict[str, Any]:
    return {
        "id": NOTE,
        "type": "Note",
        "pos": [0, -80],
        "size": [400, 120],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [text],
    }
