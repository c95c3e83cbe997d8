"""Where weights are: on the Hugging Face Hub at a pinned commit, or on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import InvalidSetting
from ...paths import is_file, is_folder, path_of

_NAME = r"[A-Za-z0-9][\w.-]*"
_HUB_ID = re.compile(rf"(?P<name>{_NAME}/{_NAME})(@(?P<revision>{_NAME}(/{_NAME})*))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of weights: on the Hugging Face Hub at a pinned commit, or on this machine."""

    name: str  # "owner/name" on the Hub
    revision: str = ""  # commit hash; empty: the newest
    folder: Path | None = None  # where the files are, for repositories that are not on the Hub
    single_file: Path | None = None  # all in one; converted into such a folder on first use

    @classmethod
    def parse(cls, base: str, setting: str = "base") -> Repository:
        """The repository that the setting `base` names; a folder here wins over the Hub.

        Args:
            setting: the name of another one.

        Raises:
            InvalidSetting: it is neither a folder, a .safetensors file nor a name on the Hub.
        """
        path, field = path_of(base), f"{setting} (LIGHTNING_{setting.upper()})"
        if is_folder(path):
            return cls(path.resolve().name, folder=path.resolve())
        if is_file(path):
            if path.suffix != ".safetensors":
                raise InvalidSetting(
                    f"{field}: {base} is not a .safetensors file; no other is opened."
                )
            return cls(path.stem, single_file=path.resolve())
        found = _HUB_ID.fullmatch(base)
        if found is None:
            raise InvalidSetting(
                f"{field}: {base[:80]!r} is neither a folder here nor owner/name or "
                "owner/name@revision on the Hub."
            )
        return cls(found["name"], found["revision"] or "")

    @property
    def local(self) -> bool:
        """Whether it is on this machine and not on the Hub."""
        return self.folder is not None or self.single_file is not None

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit hash; a branch may move."""
        return len(self.revision) == 40 and not set(self.revision) - set("0123456789abcdef")


def file_names(file: str) -> tuple[str, ...]:
    """The names that a file may have, the preferred one first.

    Other people's bases often have no "….fp16.safetensors"; the plain file loads as well.
    """
    return (file, file.replace(".fp16.", ".")) if ".fp16." in file else (file,)
