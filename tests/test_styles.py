"""Styles: what their files may say, which words refuse the rest, and what a prompt becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_demo.errors import InvalidRequest, InvalidSetting
from lightning_demo.model.device import choose_model
from lightning_demo.model.weights.checkpoints import MODELS
from lightning_demo.schemas import GenerationRequest, Style
from lightning_demo.settings import Settings
from lightning_demo.styles import read_styles


@pytest.mark.parametrize("model", sorted(MODELS))
def test_those_that_are_shipped_have_a_place_for_the_prompt(model: str):
    styles = MODELS[model].limits.styles
    assert len(styles) >= 5
    for style in styles:
        assert style.prompt_of("a red house").count("a red house") == 1
        assert "{" not in style.prompt_of("a red house") + style.negative_of("fog")


def test_a_template_without_a_place_follows_the_prompt():
    style = Style("Dark", "dark, moody", "bright")
    assert style.prompt_of("a house") == "a house, dark, moody"
    assert (style.negative_of(""), style.negative_of("fog")) == ("bright", "fog, bright")


def test_a_request_names_its_style_and_knows_what_is_painted():
    limits = MODELS["miniature"].limits
    fields = {"prompt": "a red house", "negative_prompt": "fog", "style": "night", "seed": 7}
    request = GenerationRequest.parse(fields, limits)
    assert request.painted_prompt == "a red house at night"
    assert request.painted_negative_prompt == "fog, by day"
    assert request.as_dict()["style"] == "Night" and request.as_dict()["prompt"] == "a red house"
    assert GenerationRequest.parse(request.as_dict(), limits) == request
    plain = GenerationRequest.parse({**fields, "style": ""}, limits)
    assert plain.painted_prompt == "a red house" and "style" not in plain.as_dict()


@pytest.mark.parametrize("style", ["nights", "{prompt}", "\x00", 7])
def test_an_unknown_style_is_refused_by_the_known_names(style: object):
    limits = MODELS["miniature"].limits
    with pytest.raises(InvalidRequest) as caught:
        GenerationRequest.parse({"prompt": "a", "style": style}, limits)
    assert caught.value.field == "style"
    assert "text" in caught.value.message or "Pixel art, Line drawing" in caught.value.message


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.csv", "name,prompt\nOne,{prompt} x\n", ["One"]),
        ("a.csv", "\ufeffname,prompt,negative_prompt\r\nNone,,\r\n\r\nOne,\"a, b\",c", ["One"]),
        ("a.csv", "# mine\nname,prompt\n# no\nOne,a\n", ["One"]),
        ("a.csv", "prompt,name\n{prompt} x,One\n\"{prompt}\ny\",Two\n", ["One", "Two"]),
        ("a.json", '[{"name": "One", "prompt": "{prompt} x", "negative_prompt": "y"}]', ["One"]),
    ],
)  # fmt: skip
def test_the_forms_that_other_tools_write(tmp_path: Path, name: str, text: str, found: list[str]):
    file = tmp_path / name
    file.write_bytes(text.encode())
    assert [style.name for style in read_styles(file)] == found


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", b"name,words\nOne,x\n", "line 1: must name the columns: name, prompt"),
        ("a.csv", b"name,prompt\nOne,a, b\n", "line 2: has 3 cells for 2 columns"),
        ("a.csv", b"name,prompt\n\n,a\n", "line 3: has no name."),
        (
            "a.csv",
            b"name,prompt\nOne,a\nTwo,b\none,c\n",
            "line 4: there is a style 'one' at line 2",
        ),
        ("a.csv", b'name,prompt\nOne,a\nTwo,"b\n', "is not CSV"),
        ("a.csv", b"name,prompt\nOne,a\xff\n", "line 2: is not UTF-8"),
        ("a.csv", b"name,prompt\nOne,a\x00\n", "line 2: prompt contains a control character"),
        ("a.csv", b"name,prompt\nOne," + b"a" * 3000, "line 2: prompt is longer than 2,000"),
        ("a.csv", b"", "there are no styles in it"),
        ("a.json", b'[\n{"name": }]', "line 2: is not JSON"),
        ("a.json", b"{}", "must be a list"),
        ("a.json", b'[{"name": "One", "prompt": 7}]', "entry 1: prompt must be text"),
        ("a.json", b'["One"]', "entry 1: must be an object"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_by_line(
    tmp_path: Path, name: str, data: bytes, words: str
):
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(InvalidSetting) as caught:
        read_styles(file)
    assert words in caught.value.message and caught.value.message.startswith(f"styles: {name}: ")


def test_a_file_of_ones_own_takes_the_place_of_those_shipped(tmp_path: Path):
    file = tmp_path / "mine.csv"
    file.write_text("name,prompt\nMine,my {prompt}\n")
    spec = choose_model(Settings(model="miniature", styles=str(file)))
    assert [style.name for style in spec.limits.styles] == ["Mine"]
    with pytest.raises(InvalidSetting, match="cannot be read"):
        choose_model(Settings(model="miniature", styles=str(tmp_path / "no.csv")))
