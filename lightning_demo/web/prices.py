"""What pictures would have cost at the services that host SDXL-Lightning."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).with_name("prices.json")


@cache
def prices() -> tuple[dict[str, Any], ...]:
    """The services: `service`, `usd_per_picture`, and since when (`as_of`) that was so."""
    return tuple(json.loads(_TABLE.read_text(encoding="utf-8")))


def costs(pictures: int) -> list[dict[str, Any]]:
    """The same with `usd`, for so many pictures."""
    return [{**price, "usd": round(price["usd_per_picture"] * pictures, 4)} for price in prices()]
