"""A disk that is full: a small one of its own, in memory, which only root may make."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from ..web.conftest import Running


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
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    for _ in range(3):
        full = ask()
        assert full.status_code == 503, full.text
        assert "disk" in full.json()["error"]["message"]
        assert str(small_disk) not in full.text
    assert kept() == 1, "not even a part of it stays"
    # Whoever wants the picture itself gets it, and so does the page.
    assert httpx.post(f"{running.url}/picture", json={"prompt": "a dog"}).status_code == 200
    with running.socket() as tab:
        tab.ask(1)
        assert tab.final(1)
    assert httpx.get(before.json()["data"][0]["url"]).status_code == 200
    filler.unlink()
    assert ask().status_code == 200 and kept() == 2
