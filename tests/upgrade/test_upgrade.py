"""What earlier versions have written is read by this one.

The files beside this one were written by the versions that were the first with a form: of pictures,
`first` (texts in a PNG), `apis` (JPEG and WebP), `comfyui` (its graph), `xmp`, `styles` (with
variations and morphs, too), `json` (of JPEG and WebP: our settings in XMP) and `template` (what a
batch's prompt was made of, too); of batches and tracks `first` and `styles`, of batches `weights`
(with the fingerprint of what painted); the APIs' store; a stage of the miniature's training, which
does not say of what it was made. They are never written anew: a new form is a new file.
`web_scripts/upgrade.test.mjs` lets the page read them.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_demo.cli import main
from lightning_demo.miniature.stage_files import StageFiles
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.studio.manifest import Manifest
from lightning_demo.studio.picture_info import read_info, request_fields, template_of
from lightning_demo.studio.plan import COLUMNS, make_plan
from lightning_demo.studio.table import read_table
from lightning_demo.web.api.jobs import Jobs
from lightning_demo.web.api.store import Store
from lightning_demo.web.callers import Caller
from lightning_demo.web.painting import Painting

from ..web.fakes import FakeEngine

HERE = Path(__file__).parent
FOREVER = {"hours": 1e6, "megabytes": 8}


@pytest.mark.parametrize("file", sorted((HERE / "pictures").iterdir()), ids=lambda file: file.name)
def test_pictures_tell_their_settings(file: Path) -> None:
    info = read_info(file.read_bytes(), file.name)
    found = request_fields(info)
    assert found["prompt"] == 'ein Füchschen, <b> & a "red" boat'
    assert found["negative_prompt"] == "fog, people"
    said = [found[name] for name in ("num_inference_steps", "guidance_scale", "seed")]
    assert said == [8, 1.5, 7]
    assert (found["width"], found["height"]) == (256, 256)
    newer = file.name.startswith(("styles", "json", "template"))
    blend = [found.get(name) for name in ("style", "variation_seed", "morph_prompt")]
    assert blend == (["Night", 3, "a lake, still"] if newer else [None] * 3)
    assert info.parameters.startswith(found["prompt"])
    template = 'ein Füchschen, <b> & a "{red, blue}" __thing__'
    assert template_of(info) == (template if file.name.startswith("template") else "")


@pytest.mark.parametrize("name", ["first", "styles"])
def test_batches_are_taken_up(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(HERE / "batches" / f"{name}.jsonl", tmp_path / "manifest.jsonl")
    file = HERE / "batches" / f"{name}.csv"
    command = ["batch", str(file), "--out", str(tmp_path), "--check", "--device", "cpu"]
    assert main(command) == 0, capsys.readouterr().err
    assert main([*command, "--num-inference-steps", "8"]) == 2  # another batch, then as now
    assert "holds another batch" in capsys.readouterr().err

    manifest = Manifest(tmp_path)
    assert manifest.origin is not None
    table = read_table(file.read_bytes(), "csv", COLUMNS)
    plan = make_plan(table, MINIATURE.limits, {}, manifest.origin.seed)
    assert len(plan.pictures) == 3
    for picture in plan.pictures:
        line = manifest.lines[picture.number]
        asked = picture.request.as_dict()
        assert {name: line[name] for name in asked} == asked
        assert not manifest.done(picture)
        (tmp_path / line["file"]).write_bytes(b"a picture")
        assert manifest.done(picture)
    manifest.write_table()
    assert (tmp_path / "manifest.csv").read_text("utf-8-sig").count("\n") == 4


def test_a_batch_says_with_which_weights_it_was_begun(tmp_path: Path) -> None:
    shutil.copy(HERE / "batches" / "weights.jsonl", tmp_path / "manifest.jsonl")
    manifest = Manifest(tmp_path)
    assert manifest.origin is not None
    assert manifest.origin.fingerprint == "ed153732ba11b5a3681344b0"
    assert len(manifest.lines) == 3


def test_a_store_is_opened_with_its_pictures_jobs_and_use(
    tmp_path: Path, run: Callable[..., Any]
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(HERE / "store", folder)
    (picture,) = folder.glob("*.webp")
    store = Store(folder, **FOREVER)
    try:
        assert store.file(picture.name).media_type == "image/webp"
        assert [(day["pictures"], day["steps"]) for day in store.usage("key:alice")] == [(2, 8)]
        assert len(store.secret("version")) == 32  # of a table that it did not have

        async def ask() -> None:
            jobs, caller = Jobs(Painting(FakeEngine()), store), Caller("key", "alice")
            done = await jobs.record("v1", caller, "0" * 32)
            assert (done.state, done.input["prompt"], done.done[0].name) == (
                "succeeded",
                "a fox",
                picture.name,
            )
            cut_off = await jobs.record("v1", caller, "1" * 32)
            assert (cut_off.state, cut_off.status) == ("failed", 503)

        run(ask())
    finally:
        store.close()


def test_the_store_was_an_older_one() -> None:
    database = sqlite3.connect(f"file:{HERE / 'store' / 'store.sqlite'}?mode=ro", uri=True)
    try:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    finally:
        database.close()
    assert "jobs" in tables
    assert "secrets" not in tables


def test_a_journal_is_lines_of_json() -> None:
    """As other programs may read it."""
    for file in (HERE / "batches").glob("*.jsonl"):
        first, *lines = map(json.loads, file.read_text("utf-8").splitlines())
        assert set(first) == {"batch"}
        assert all({"number", "file", "prompt", "seed"} <= line.keys() for line in lines)


def test_a_stage_of_the_miniature_counts_as_made_of_what_there_is(tmp_path: Path) -> None:
    for name in ("student", "lora"):
        shutil.copy(HERE / "stages" / "first.pt", tmp_path / f"{name}.pt")
    stages, line = StageFiles(tmp_path), torch.nn.Linear(2, 3)
    stages.load("lora", {"line": line})
    assert (line.weight == 0.5).all() and (line.bias == 2).all()
    assert stages.is_made_of("lora", "student")
