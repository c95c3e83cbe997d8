"""Files of blocked words: ours, and the presenter's own.

One word or phrase a line, in UTF-8; `#` for notes. As it stands it is matched whole, with a star at
its end as the beginning of a word, with one at both ends anywhere. Words in scripts that put no
spaces between them are matched anywhere, too. A line that begins with `!` is harmless: what it says
is taken out of a text before anything is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ....errors import InvalidSetting

OWN = Path(__file__).with_name("blocked_words.txt")
MAX_BYTES = 2**20
SYLLABLES = "\u0e00"  # from here on a letter may be a syllable or a word
LONGEST = 60  # characters of an entry
# Han, kana, Thai, Lao, Burmese, Khmer: written without spaces.
NO_SPACES = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
)


def read_words(more: str = "") -> Iterator[str]:
    """The entries of our own list, and those of another file.

    Raises:
        InvalidSetting: naming file, line and what is wrong with it.
    """
    yield from _read(OWN)
    if more:
        yield from _read(Path(more))


def _read(path: Path) -> Iterator[str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidSetting(f"audience_words: {path} cannot be read ({error.strerror}).") from None
    if len(data) > MAX_BYTES:
        raise InvalidSetting(f"audience_words: {path} has more than {MAX_BYTES:,} bytes.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise InvalidSetting(
            f"audience_words: line 1 of {path} is not UTF-8; it looks like UTF-16. "
            "Save it as UTF-8."
        )
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        where = f"audience_words: line {number} of {path}"
        try:
            line = raw.decode("utf-8").partition("#")[0].strip()
        except UnicodeDecodeError:
            raise InvalidSetting(
                f"{where} is not UTF-8; it looks like Windows-1252 or another old encoding. "
                "Save it as UTF-8."
            ) from None
        if line:
            if wrong := _fault(line):
                raise InvalidSetting(f"{where}: {wrong}.")
            yield line


def _fault(line: str) -> str:
    """What is wrong with an entry; nothing: empty."""
    word = line.removeprefix("!").strip()
    bare = word.strip("*")
    if len(line) > LONGEST:
        return f"a word or phrase has at most {LONGEST} characters"
    if "*" in bare or (word.startswith("*") and not word.endswith("*")):
        return "a star may stand at the end of a word, or at both ends"
    if len(bare) < (1 if bare >= SYLLABLES else 2):
        return "a word has at least two letters"
    return ""
