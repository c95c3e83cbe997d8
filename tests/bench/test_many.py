"""Many typists at real servers, few and briefly; no figure decides a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from lightning_demo.bench import many
from lightning_demo.bench.clients import picture_url
from lightning_demo.bench.many import OURS, PAGES, PEERS, plot
from lightning_demo.bench.peers.always_last import pipeline
from lightning_demo.bench.peers.gradio_stream import Painter
from lightning_demo.cli import main
from lightning_demo.model.weights.checkpoints import MINIATURE

SAME = ("users", "last_key_to_final_ms", "lost_finals", "fairness", "wasted_steps")


def test_two_type_at_ours_and_at_a_peer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(many, "WARM_UP_USERS", 1)
    monkeypatch.setattr(many, "PATIENCE", 200.0)  # a busy machine loses nothing
    options = ["--users", "2", "--seconds", "1", "--threads", "1", "--peers", "fifo"]
    files = ["--out", str(tmp_path / "many.json"), "--plot", str(tmp_path / "many.png")]
    assert main(["bench", "many", *options, *files]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(result["peers"]) == ["fifo"]
    for side in (result, result["peers"]["fifo"]):
        assert all(key in side for key in SAME)
        assert side["users"] == 2
        assert side["waits"] >= 2
        assert side["lost_finals"] == 0
        assert "problems" not in side
        times = side["last_key_to_final_ms"]
        assert 0 < times["p50"] <= times["p95"] <= times["max"]
        assert 0 < side["fairness"] <= 1
        assert side["client_cpu_share"] < 1
    fifo = result["peers"]["fifo"]
    assert fifo["steps"] == 4 * round(fifo["steps"] / 4) > 0
    assert 0 <= fifo["wasted_steps"] < fifo["steps"]
    assert result["speedup_p95_vs_best_peer"] > 0
    assert json.loads((tmp_path / "many.json").read_text()) == result
    with Image.open(tmp_path / "many.png") as image:
        assert image.width > 500


def test_several_numbers_of_users_are_one_chart(tmp_path: Path):
    def run(users: int, factor: float) -> dict[str, object]:
        side = {"users": users, "last_key_to_final_ms": {"p95": 100 * users * factor}}
        return {**side, "peers": {"fifo": {**side, "last_key_to_final_ms": {"p95": 9000.0}}}}

    settings = {"num_inference_steps": 4, "machine": "a <fast> one"}
    plot(tmp_path / "many.svg", {**settings, "runs": [run(1, 1), run(4, 2)]})
    drawn = (tmp_path / "many.svg").read_text()
    assert drawn.count("<polyline") > 2
    assert all(f">{name}</text>" in drawn for name in (OURS, "fifo", "1", "4"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--users", "0"], "--users: must be a whole number from 1 to 200"),
        (["--users", "4", "5000"], "--users: must be a whole number from 1 to 200"),
        (["--users", "many"], "--users: must be a whole number from 1 to 200"),
        (["--seconds", "0"], "--seconds: must be a whole number from 1 to 600"),
        (["--peers", "nobody"], "--peers: invalid choice: 'nobody'"),
    ],
)
def test_wrong_options_are_named(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main(["bench", "many", *options])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_plot_of_no_known_kind_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "many", "--plot", "waiting.gif"]) == 2
    assert "waiting.gif must end in" in capsys.readouterr().err


def test_the_command_line_knows_every_peer(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["bench", "many", "--help"])
    assert ", ".join(PEERS) in capsys.readouterr().out
    assert set(PAGES) == {OURS, *PEERS}


def test_the_streaming_peer_ends_with_the_pipelines_picture():
    pipe = pipeline(1, 2)
    width, height = MINIATURE.sizes[0]
    wanted = pipe(
        prompt="a red house",
        num_inference_steps=2,
        guidance_scale=0,
        width=width,
        height=height,
        generator=torch.Generator("cpu").manual_seed(5),
    ).images[0]
    pictures = list(Painter(pipe, 2).paint("a red house", 5))
    assert len(pictures) == 2
    assert pictures[-1].tobytes() == wanted.tobytes()


def test_a_generators_later_messages_tell_only_what_changed():
    def message(picture: object) -> dict[str, object]:
        return {"output": {"data": [picture]}}

    first = picture_url(message({"path": "/a", "url": "http://here/a"}), "")
    assert first == "http://here/a"
    edits = [["replace", ["path"], "/b"], ["replace", ["url"], "http://here/b"]]
    assert picture_url(message(edits), first) == "http://here/b"
    assert picture_url(message([]), first) == first
