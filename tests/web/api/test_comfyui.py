"""ComfyUI opens our pictures as its workflows, and we read what it has left in its own."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lightning_demo.cli import main
from lightning_demo.comfyui import (
    as_weighted,
    of_weighted,
    on_canvas,
    prompt_graph,
    workflow_texts,
)
from lightning_demo.engine.build import about
from lightning_demo.images import encode_png
from lightning_demo.model.weights.checkpoints import MINIATURE, sdxl_lightning
from lightning_demo.schemas import MAX_SEED, OWN_WEIGHTS, GenerationRequest, Weights
from lightning_demo.studio import comfyui_graph
from lightning_demo.studio.comfyui_graph import read_graph
from lightning_demo.studio.picture_info import read_info, request_fields
from lightning_demo.weighting import pieces

from ..conftest import Running
from .comfyui_graphs import GRAPHS, plain
from .documents import run_example

REQUEST = GenerationRequest(
    "a (red) cat, \\ 猫 {x|y} /*no*/ http://x///", "dogs (big)", 4, 1.5, MAX_SEED, 1152, 896
)
BASE = Weights("sd_xl_base_1.0.safetensors")
STYLES = Weights(loras=(("ink.safetensors", 0.5), ("old.safetensors", -1.0)))
LINKED = ("MODEL", "CLIP", "VAE", "CONDITIONING", "LATENT", "IMAGE")

# ComfyUI's definitions, as its `/object_info` tells them (nodes.py; ModelSamplingDiscrete is in
# comfy_extras/nodes_model_advanced.py): each input's type, range or choices; then the outputs.
DEFINITIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "CheckpointLoaderSimple": ({"ckpt_name": str}, ("MODEL", "CLIP", "VAE")),
    "LoraLoader": (
        {
            "model": "MODEL",
            "clip": "CLIP",
            "lora_name": str,
            "strength_model": (-100, 100),
            "strength_clip": (-100, 100),
        },
        ("MODEL", "CLIP"),
    ),
    "ModelSamplingDiscrete": (
        {
            "model": "MODEL",
            "sampling": ["eps", "v_prediction", "lcm", "x0", "img_to_img"],
            "zsnr": [False, True],
        },
        ("MODEL",),
    ),
    "CLIPTextEncode": ({"text": str, "clip": "CLIP"}, ("CONDITIONING",)),
    "EmptyLatentImage": (
        {"width": (16, 16384), "height": (16, 16384), "batch_size": (1, 4096)},
        ("LATENT",),
    ),
    "KSampler": (
        {
            "model": "MODEL",
            "seed": (0, 2**64 - 1),
            "steps": (1, 10000),
            "cfg": (0, 100),
            "sampler_name": ["euler", "euler_ancestral", "dpmpp_2m"],
            "scheduler": ["normal", "karras", "simple", "sgm_uniform"],
            "positive": "CONDITIONING",
            "negative": "CONDITIONING",
            "latent_image": "LATENT",
            "denoise": (0, 1),
        },
        ("LATENT",),
    ),
    "VAEDecode": ({"samples": "LATENT", "vae": "VAE"}, ("IMAGE",)),
    "SaveImage": ({"images": "IMAGE", "filename_prefix": str}, ()),
}


def of(steps: int, **changes: Any) -> GenerationRequest:
    return replace(REQUEST, num_inference_steps=steps, **changes)


CASES = [
    ("sdxl-lightning", of(1), OWN_WEIGHTS),
    ("sdxl-lightning", of(2, guidance_scale=0.0), OWN_WEIGHTS),
    ("sdxl-lightning", of(8, negative_prompt=""), STYLES),
    ("sdxl-lightning", of(1), STYLES),
    ("sdxl-lightning", of(4), BASE),
    ("sdxl-lightning", of(4), replace(BASE, loras=STYLES.loras)),
    ("miniature", of(1, width=256, height=384), Weights("base.safetensors")),
    ("miniature", of(2, width=256, height=256), Weights("base.safetensors")),
]


def as_comfyuis_page_reads_it(text: str) -> str:
    """A text without its comments, choices of one thing made (formatUtil.ts, 1.58)."""
    text = re.sub(r"/\*[\s\S]*?\*/|//.*", "", text)
    return re.sub(r"\\([{}|])", r"\1", re.sub(r"(?<!\\)\{([^{}|\\]*)\}", r"\1", text))


def fits(value: Any, wanted: Any) -> bool:
    """Whether ComfyUI takes a value that is no link."""
    if wanted is str:
        return isinstance(value, str)
    if isinstance(wanted, list):
        return value in wanted
    return wanted[0] <= value <= wanted[1]


@pytest.mark.parametrize(("model", "request_", "weights"), CASES)
def test_the_graph_is_one_that_comfyui_runs(
    model: str, request_: GenerationRequest, weights: Weights
) -> None:
    graph = prompt_graph(request_, model, weights)
    for node in graph.values():
        wanted, _ = DEFINITIONS[node["class_type"]]
        assert node["inputs"].keys() == wanted.keys()
        for name, value in node["inputs"].items():
            if wanted[name] in LINKED:
                source, slot = value
                assert DEFINITIONS[graph[source]["class_type"]][1][slot] == wanted[name]
            else:
                assert fits(value, wanted[name]), name
    assert [node["class_type"] for node in graph.values()][-1] == "SaveImage"


@pytest.mark.parametrize(("model", "request_", "weights"), CASES)
def test_the_canvas_shows_the_same_graph(
    model: str, request_: GenerationRequest, weights: Weights
) -> None:
    graph = prompt_graph(request_, model, weights)
    canvas = on_canvas(graph, model)
    nodes = {node["id"]: node for node in canvas["nodes"] if node["type"] != "Note"}
    assert {str(number) for number in nodes} == graph.keys()
    assert canvas["last_node_id"] == max(node["id"] for node in canvas["nodes"])
    assert [link[0] for link in canvas["links"]] == [*range(1, canvas["last_link_id"] + 1)]
    for number, source, slot, target, place, kind in canvas["links"]:
        given, taken = nodes[source]["outputs"][slot], nodes[target]["inputs"][place]
        assert (given["type"], taken["type"], taken["link"]) == (kind, kind, number)
        assert number in given["links"]
        assert graph[str(target)]["inputs"][taken["name"]] == [str(source), slot]
    for number, node in nodes.items():
        assert node["type"] == graph[str(number)]["class_type"]
        inputs = graph[str(number)]["inputs"]
        # In ComfyUI's own order, after the seed what becomes of it.
        values = [
            inputs[name]
            for name, kind in DEFINITIONS[node["type"]][0].items()
            if kind not in LINKED
        ]
        if node["type"] == "KSampler":
            values.insert(1, "fixed")
        shown = node["widgets_values"]
        if node["type"] == "CLIPTextEncode":
            shown = [as_comfyuis_page_reads_it(shown[0])]
        assert shown == values
    corners = [tuple(node["pos"]) for node in canvas["nodes"]]
    assert len(set(corners)) == len(corners), "no node covers another"


def test_the_three_official_workflows() -> None:
    def files(steps: int, model: str, weights: Weights) -> list[str]:
        found = []
        for node in prompt_graph(of(steps), model, weights).values():
            inputs = node["inputs"]
            found += [
                inputs[name] for name in ("ckpt_name", "lora_name", "sampling") if name in inputs
            ]
        return found

    assert files(4, "sdxl-lightning", OWN_WEIGHTS) == ["sdxl_lightning_4step.safetensors"]
    assert files(1, "sdxl-lightning", OWN_WEIGHTS) == ["sdxl_lightning_1step_x0.safetensors", "x0"]
    assert files(8, "sdxl-lightning", about(sdxl_lightning("lora")).weights) == [
        "sd_xl_base_1.0.safetensors",
        "sdxl_lightning_8step_lora.safetensors",
    ]
    assert files(
        2, "sdxl-lightning", about(sdxl_lightning(base="someone/anything-xl")).weights
    ) == [
        "anything-xl.safetensors",
        "sdxl_lightning_2step_lora.safetensors",
    ]
    assert files(4, "miniature", about(MINIATURE).weights) == [
        "miniature/base.safetensors",
        "miniature/sdxl_lightning_4step_lora.safetensors",
    ]
    sampler = prompt_graph(of(4, guidance_scale=0.0), "sdxl-lightning", OWN_WEIGHTS)["3"]["inputs"]
    assert (sampler["sampler_name"], sampler["scheduler"]) == ("euler", "sgm_uniform")
    assert sampler["cfg"] == 1, "no guidance, there"


def test_missing_files_are_offered_and_the_miniature_says_what_it_is() -> None:
    def nodes(model: str, weights: Weights) -> list[dict[str, Any]]:
        return on_canvas(prompt_graph(REQUEST, model, weights), model)["nodes"]

    offered = {
        each["name"]: each["directory"]
        for node in nodes("sdxl-lightning", replace(BASE, loras=STYLES.loras))
        for each in node["properties"].get("models", ())
    }
    assert offered == {
        "sd_xl_base_1.0.safetensors": "checkpoints",
        "sdxl_lightning_4step_lora.safetensors": "loras",
    }
    small = nodes("miniature", Weights("base.safetensors"))
    assert not any("models" in node["properties"] for node in small)
    assert "miniature" in small[-1]["widgets_values"][0]


def test_every_png_has_both_texts_in_ascii_as_old_versions_need_them() -> None:
    data = encode_png(np.zeros((896, 1152, 3), np.uint8), REQUEST, "sdxl-lightning")
    chunks = {name: data[data.index(b"tEXt" + name) :] for name in (b"prompt\0", b"workflow\0")}
    assert all(chunks.values())
    texts = Image.open(io.BytesIO(data)).text  # type: ignore[attr-defined]
    assert {name: texts[name] for name in ("prompt", "workflow")} == workflow_texts(
        REQUEST, "sdxl-lightning", OWN_WEIGHTS
    )
    assert texts["workflow"].isascii()
    assert json.loads(texts["workflow"])["version"] == 0.4
    info = read_info(data, "image")
    assert request_fields(info) == REQUEST.as_dict(), "as it was, guidance and all"


def test_what_our_graph_says_is_what_was_asked_for() -> None:
    graph = read_graph(workflow_texts(REQUEST, "sdxl-lightning", OWN_WEIGHTS)["prompt"])
    assert graph is not None
    said = asdict(graph)
    asked = REQUEST.as_dict()
    for name in ("prompt", "negative_prompt"):
        assert pieces(said.pop(name)) == pieces(asked.pop(name))
    assert {name: said[name] for name in asked} == asked


def test_weights_become_those_that_comfyui_has() -> None:
    assert as_weighted(r"a (cat) [on] ((a [hill]:1.5)) \(x\)") == (
        r"a (cat:1.1) (on:0.9091) (a :1.65)(hill:1.5) \(x\)"
    )
    assert of_weighted(r"a (cat:1.1) [on] \(x\)") == r"a (cat:1.1) \[on\] \(x\)"


def test_a_very_long_prompt_is_not_written_twice() -> None:
    long = replace(REQUEST, prompt="猫" * 20_000)
    assert workflow_texts(long, "sdxl-lightning", OWN_WEIGHTS) == {}
    data = encode_png(np.zeros((8, 8, 3), np.uint8), long, "sdxl-lightning")
    assert request_fields(read_info(data, "image"))["prompt"] == long.prompt


def saved_by_comfyui(graph: Any, size: tuple[int, int] = (64, 48)) -> bytes:
    """A PNG as ComfyUI's SaveImage writes it."""
    metadata = PngInfo()
    metadata.add_text("prompt", json.dumps(graph))
    metadata.add_text("workflow", json.dumps({"nodes": [], "version": 0.4}))
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "PNG", pnginfo=metadata, compress_level=4)
    return buffer.getvalue()


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_of_anybody(name: str) -> None:
    graph, said = GRAPHS[name]
    assert request_fields(read_info(saved_by_comfyui(graph), "image")) == said


def test_no_graph_says_nothing() -> None:
    deep = "[" * 100_000
    no_sampler = json.dumps({"1": {"inputs": {"text": "a cat"}}})
    many = json.dumps({str(number): {"inputs": {}} for number in range(3000)})
    for text in (
        "",
        "a cat",
        "[]",
        "null",
        "7",
        "{}",
        deep,
        no_sampler,
        many,
        '{"1": {"inputs": 7}}',
    ):
        assert read_graph(text) is None, text[:50]


def test_odd_values_are_left_out() -> None:
    odd = json.dumps(plain(seed=float("nan"), steps=True, cfg=float("inf"), latent_image=["5"]))
    graph = read_graph(odd)
    assert graph is not None
    assert (graph.seed, graph.num_inference_steps, graph.guidance_scale) == (None, None, None)
    assert (graph.width, graph.height) == (None, None)
    assert graph.prompt.startswith("a cat")


def test_a_graph_made_to_be_slow_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is linked with everything, and no link leads to a text or a number."""
    links = {f"in{number}": [str(number), 0] for number in range(100)}
    graph: dict[str, Any] = {
        str(number): {"inputs": {"text": ["0", 0], "steps": ["1", 0], **links}}
        for number in range(2000)
    }
    for number in range(100):
        sampler = {"seed": ["1", 0], "positive": ["2", 0], "latent": ["3", 0]}
        graph[str(number)]["inputs"] = {**sampler, **graph[str(number)]["inputs"]}
    looked = 0

    def is_link(value: Any) -> bool:
        nonlocal looked
        looked += 1
        return isinstance(value, list)

    monkeypatch.setattr(comfyui_graph, "_is_link", is_link)
    found = read_graph(json.dumps(graph))
    assert found is not None and found.prompt == ""
    assert looked < 1_000_000


def png_info(server: Running, data: bytes) -> dict[str, Any]:
    body = {"image": base64.b64encode(data).decode()}
    answer = httpx.post(f"{server.url}/sdapi/v1/png-info", json=body)
    assert answer.status_code == 200
    return answer.json()


def test_png_info_of_comfyuis_picture(server: Running) -> None:
    answer = png_info(server, saved_by_comfyui(plain()))
    assert answer["info"].splitlines() == [
        "a cat \\(sitting\\), (red:1.2)",
        "Negative prompt: dogs",
        "Steps: 20, Sampler: euler, Schedule type: normal, CFG scale: 8, Seed: 8566257, "
        "Size: 512x768, Model: v1-5.safetensors",
    ]
    assert answer["parameters"]["Size-2"] == "768"
    assert json.loads(answer["items"]["prompt"]) == plain()


def test_png_info_of_half_a_character(server: Running) -> None:
    graph = plain()
    graph["6"]["inputs"]["text"] = "half of \ud83d"
    answer = png_info(server, saved_by_comfyui(graph))
    assert answer["parameters"]["Prompt"] == "half of ?"


def test_png_info_of_comfyuis_webp(server: Running) -> None:
    exif = Image.Exif()
    exif[0x0110] = f"prompt:{json.dumps(plain())}"
    exif[0x010F] = 'workflow:{"nodes": []}'
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, "WEBP", exif=exif)
    answer = png_info(server, buffer.getvalue())
    assert answer["parameters"]["Seed"] == "8566257"
    assert answer["items"]["workflow"] == '{"nodes": []}'


def test_inspect_prints_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = tmp_path / "theirs.png"
    theirs.write_bytes(saved_by_comfyui(plain()))
    assert main(["inspect", str(theirs)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"file": str(theirs), **GRAPHS["plain"][1]}
    for wrong in (tmp_path / "absent.png", Path(__file__)):
        assert main(["inspect", str(wrong)]) == 2
        assert wrong.name in capsys.readouterr().err


def test_the_documents_example(server: Running, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    variables = run_example("comfyui", server.url)
    assert {node["class_type"] for node in variables["graph"].values()} == set(DEFINITIONS) - {
        "LoraLoader",
        "ModelSamplingDiscrete",
    }
