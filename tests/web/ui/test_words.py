"""The page's words: components have keys of the text files, which hold the server's sentences."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import lightning_demo
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.settings import Settings
from lightning_demo.web.server import Server
from lightning_demo.web.ui.words import LANGUAGES, head, words

from ..fakes import WITH_DRAFTS, FakeEngine, FakePair

CODE = Path(lightning_demo.__file__).parent
KEY = re.compile(r"\w+(\.\w+)+")
ENGLISH = words("en")
SAID = {key: text for key, text in ENGLISH.items() if key.startswith("said.")}
# Whose every refusal is read by visitors, and so is in every language.
FOR_VISITORS = (
    *("schemas.py", "engine/base.py", "model/sampling/decode.py", "model/device_errors.py"),
    *(
        "web/painting.py",
        "web/service.py",
        "studio/plan.py",
        "studio/templates.py",
        "studio/table.py",
    ),
    *("web/stage/rights.py", "web/stage/audience/tray.py", "web/stage/audience/members.py"),
    *("web/stage/battle/battle.py", "web/stage/battle/crowd.py", "web/stage/battle/ring.py"),
)
# What only programs can have done wrong, or a value of the program's own.
FOR_PROGRAMMERS = re.compile(
    r"The request must be|count: must be|style: must have a name|"
    r"The picture came without|The client has gone|.* \(.*\)\.$"
)


def configs() -> Iterator[dict[str, Any]]:
    """Of every kind of page."""
    stage = {"stage": True, "audience": True}
    pair = FakePair()
    on_enter = FakeEngine()
    on_enter.say(submit_on_enter=True)
    for engine, settings in (
        (FakeEngine(status=WITH_DRAFTS), stage),
        (pair.engine, {}),
        (on_enter, {}),
        (FakeEngine(), {"kiosk": 60.0}),
    ):
        server = Server(engine, Settings(**settings))  # type: ignore[arg-type]
        yield server._blocks.get_config_file()
    pair.arrive()


def test_components_have_keys_and_no_words() -> None:
    for config in configs():
        for component in config["components"]:
            props = component["props"]
            if props.get("visible") == "hidden":
                continue
            said = [props.get(name) for name in ("label", "info", "placeholder")]
            said += [label for label, _ in props.get("choices") or ()]
            said += [props["value"]] if component["type"] == "button" else []
            for each in filter(None, said):
                assert each in ENGLISH or re.fullmatch(r"[\d× ]*", each), each
            html = str(props.get("value")) if component["type"] == "html" else ""
            for key in re.findall(r' data-text(?:-[a-z-]+)?="([^"]*)"', html):
                assert key in ENGLISH, key
            bare = re.sub(
                r"<kbd.*?</kbd\s*>|<button[^>]* data-(word|example)=.*?</button>", "", html
            )
            for text in re.findall(r">([^<]+)<", bare):
                assert not re.search(r"[a-z]{2}", re.sub(r"&\w+;", "", text)) or _is_name(text), (
                    text
                )
            for text in re.findall(r' (?:title|placeholder|aria-label|alt)="([^"]+)"', html):
                assert not re.search(r"[A-Za-z]{2}", text) or " house at " in text, text


def _is_name(text: str) -> bool:
    """Whether it is one of a program, a service, a format or a style: the same everywhere."""
    limits = (MINIATURE.limits, SDXL_LIGHTNING.limits, WITH_DRAFTS.limits)
    styles = {style.name for each in limits for style in each.styles}
    names = {"Lightning", "Runflow", "Replicate", "Synexa", "JSON Lines", "JPEG", "WebP", *styles}
    return text.strip() in names


def test_all_groups_of_words_have_a_name() -> None:
    for name in MINIATURE.vocabulary().groups:
        assert f"page.words.{name}" in ENGLISH


def test_the_pages_head_has_the_words_of_its_components_in_every_language() -> None:
    server = Server(FakeEngine(), Settings())
    script = head(server._blocks)
    told = json.loads(script[script.rindex("fillPage(") + len("fillPage(") : script.rindex(");")])
    assert tuple(told) == LANGUAGES
    assert told["de"]["page.steps"] == "Schritte" and told["zh"]["page.steps"] == "步数"
    assert told["en"].keys() == told["de"].keys() == told["zh"].keys()
    assert "page.desk.password" not in told["en"], "this page has no desk"
    assert not any(key.startswith("said.") for key in told["en"])
    assert script.count("</script") == 1, "no word may end the script"


@dataclass(frozen=True)
class Sentence:
    """What the program can say."""

    pattern: re.Pattern[str]  # with holes for its values
    sample: str  # with a 0 for each of them
    raised: bool  # at once, as an error


def sentences(file: Path) -> Iterator[Sentence]:
    """All that a file can say."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    raised: set[ast.expr] = set()
    comments: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            raised.add(node.exc.args[0])
        if isinstance(node, ast.Expr):
            comments.add(node.value)
    for node in ast.walk(tree):
        if node in comments:
            continue
        parts: list[str | None] = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts = [node.value.strip(", ")]
        elif isinstance(node, ast.JoinedStr):
            parts = [_constant(each) for each in node.values]
        if len("".join(each or "" for each in parts)) > 7:
            pattern = "".join(".+" if each is None else re.escape(each) for each in parts)
            sample = "".join("0" if each is None else each for each in parts)
            yield Sentence(re.compile(pattern, re.DOTALL), sample, node in raised)


def _constant(node: ast.expr) -> str | None:
    return str(node.value) if isinstance(node, ast.Constant) else None


def test_a_sentence_that_is_translated_is_still_said() -> None:
    spoken = {each.pattern for file in CODE.rglob("*.py") for each in sentences(file)}
    for text in SAID.values():
        # A field or a form may stand before it, a reason or the log's number behind it.
        short = re.sub(r"^(\w+|{\w+})[:,] (the message )?| \((incident )?{\w+}\)\.$|\.$", "", text)
        forms = {text, re.sub(r"^\w+: ", "", text), short, f"{short}."}
        assert any(pattern.fullmatch(each) for each in forms for pattern in spoken), text


@pytest.mark.parametrize("name", FOR_VISITORS)
def test_what_visitors_can_be_refused_is_translated(name: str) -> None:
    texts = [form for text in SAID.values() for form in (text, text.removeprefix("prompt: "))]
    known = [re.sub(r"\\{\w+\\}", ".+", re.escape(text)) for text in texts]
    refusals = [each for each in sentences(CODE / name) if each.raised]
    assert refusals
    for each in refusals:
        found = any(each.pattern.fullmatch(text) for text in texts)
        found = found or any(re.fullmatch(text, each.sample) for text in known)
        assert found or FOR_PROGRAMMERS.match(each.sample), each.sample
