"""A disk that is full: a small one of its own, in memory, which only root may make."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from lightning_demo.cli import main

from ..web.conftest import Running
from ..web.fakes import FakeEngine


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for one megabyte."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(tmp_path)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        pytest.skip(f"no mount: {error}")
    if done.returncode:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)  # noqa: S603, S607


def fill(folder: Path) -> Path:
    """Until it takes no byte more; the file that is to be removed again."""
    filler = folder / "filler"
    with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def test_a_full_disk_is_told_and_painting_goes_on(
    start: Callable[..., Running], small_disk: Path
) -> None:
    running = start(files_dir=str(small_disk))

    def ask() -> httpx.Response:
        address = f"{running.url}/v1/images/generations"
        return httpx.post(address, json={"prompt": "a cat", "size": "256x256"}, timeout=30)

    def kept() -> int:
        return len(list(small_disk.glob("*.png")))

    before = ask()
    assert before.status_code == 200 and kept() == 1
    filler = fill(small_disk)
    for _ in range(3):
        full = ask()
        assert full.status_code == 503, full.text
        assert "disk" in full.json()["error"]["message"]
        assert str(small_disk) not in full.text
    assert kept() == 1, "not even a part of it stays"
    # Whoever wants the picture itself gets it, and so does the page.
    answer = httpx.post(f"{running.url}/picture", json={"prompt": "a dog"}, timeout=60)
    assert answer.status_code == 200
    with running.socket() as tab:
        tab.ask(1)
        assert tab.final(1)
    assert httpx.get(before.json()["data"][0]["url"], timeout=60).status_code == 200
    filler.unlink()
    assert ask().status_code == 200 and kept() == 2


@pytest.mark.parametrize("command", ["generate", "batch"])
def test_commands_say_that_the_disk_is_full_leave_no_part_and_go_on_later(
    command: str,
    small_disk: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(f"lightning_demo.{command}.build_engine", lambda *a, **o: FakeEngine(0))
    out = small_disk / "pictures"
    if command == "generate":
        arguments = ["generate", "a cat", "a dog", "--out", str(out)]
    else:
        lines = tmp_path_factory.mktemp("list") / "list.txt"
        lines.write_text("a cat\na dog\n")
        arguments = ["batch", str(lines), "--at-once", "1", "--out", str(out)]
    here = ["--model", "miniature", "--device", "cpu"]
    filler = fill(small_disk)
    assert main([*arguments, *here]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and "No space left on device" in error and "--out" in error
    assert [path for path in out.rglob("*") if path.is_file()] == []
    filler.unlink()
    # Room for the beginning of it.
    filler.write_bytes(bytes(2**20 - 4096 * 3))
    if command == "batch":
        assert main([*arguments, *here]) == 1
        assert "No space left on device" in capsys.readouterr().err
        assert not list(out.glob("*.part"))
    filler.unlink()
    assert main([*arguments, *here]) == 0
    assert len(list(out.glob("*.png"))) == 2 and not list(out.glob("*.part"))
    if command == "batch":
        report = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert report["painted"] + report["already_there"] == 2
