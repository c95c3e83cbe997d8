"""What programs gained when this machine last measured it; read without importing torch."""

from __future__ import annotations

import json
from pathlib import Path

MEASURED = "measured.json"  # in a folder of programs: what calls take without and with one, ms


def read_measured(folder: Path) -> dict[str, tuple[float, float]]:
    """By kind of call, milliseconds without and with the programs of a folder; empty: not known."""
    try:
        content = json.loads((folder / MEASURED).read_text(encoding="utf-8"))
        return {kind: (float(before), float(after)) for kind, (before, after) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
