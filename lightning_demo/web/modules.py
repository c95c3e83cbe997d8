"""Which modules a page of ours is made of, for its head to name all of them.

A browser learns which other modules one needs when it has it: unless they are named before, four
rounds over the network come one after the other.
"""

from __future__ import annotations

import re
from functools import cache

from ..settings import ASSETS

# Not those that a script asks for when somebody opens what needs them.
IMPORT = re.compile(r'^(?:import|export)\s[^"]*"\./(\w+\.js)";$', re.MULTILINE)


@cache
def modules(entry: str) -> list[str]:
    """The module of a page and all that are loaded with it, those first that are needed first."""
    found = [entry]
    for name in found:  # grows meanwhile
        source = (ASSETS / "web" / name).read_text(encoding="utf-8")
        found += [each for each in IMPORT.findall(source) if each not in found]
    return found


def preloads(folder: str, entry: str) -> str:
    """What names them in a page's head.

    Args:
        folder: where they are, relative to the page.
    """
    return "".join(
        f'<link rel="modulepreload" href="{folder}/{name}" fetchpriority="low">\n'
        for name in modules(entry)
    )
