"""What killed servers leave, and what must not be taken for it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from lightning_demo.web.api import temporary_folder
from lightning_demo.web.api.temporary_folder import LOCK, PREFIX, TemporaryFolder

from ..conftest import PATIENCE, Running, wait_for
from ..fake_server import fake_server


def paint(url: str) -> str:
    """A picture's address."""
    painted = httpx.post(f"{url}/v1/pictures", json={"prompt": "a cat"}, timeout=60).json()
    return str(painted["pictures"][0]["url"])


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such end")
def test_the_next_start_removes_what_a_killed_server_has_left_and_nothing_else(
    tmp_path: Path, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lives = paint(start().url)
    (own,) = tmp_path.glob(f"{PREFIX}*")
    with fake_server(0, TMPDIR=str(tmp_path)) as (killed, url):
        paint(url)
        killed.kill()
        killed.wait(PATIENCE)
    (left,) = set(tmp_path.glob(f"{PREFIX}*")) - {own}
    assert list(left.glob("*.jpg")), "it could tidy up nothing"
    others = tmp_path / f"{PREFIX}of-somebody", tmp_path / "other"
    for folder in others:
        folder.mkdir()
        (folder / "kept.txt").touch()
    link = tmp_path / f"{PREFIX}link"
    (others[1] / LOCK).touch()
    link.symlink_to(others[1])

    url = start().url
    wait_for(lambda: not left.exists())
    assert httpx.get(lives).status_code == 200, "another server that runs keeps its own"
    assert httpx.get(paint(url)).status_code == 200
    assert all((folder / "kept.txt").exists() for folder in others) and link.is_symlink()


def test_a_start_that_is_taken_for_one_that_was_left_makes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary_folder, "gettempdir", lambda: str(tmp_path))
    hold, taken = temporary_folder._hold, list[Path]()

    def late(folder: Path) -> object:
        if not taken:  # by a start beside this one, which is removing it
            taken.append(folder)
            (folder / LOCK).touch()
            other = hold(folder)
            assert other is not None and hold(folder) is None
            other.release()
            return None
        return hold(folder)

    monkeypatch.setattr(temporary_folder, "_hold", late)
    folder = TemporaryFolder()
    assert folder.path != taken[0] and folder.path.is_dir()
    folder.close()
    assert not folder.path.exists()
