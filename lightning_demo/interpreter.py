"""What a server changes of Python itself."""

from __future__ import annotations

import sys

SWITCH_SECONDS = 0.0005


def answer_soon() -> None:
    """Lets threads take turns sooner, in the whole process.

    Python hands its lock on after 5 ms. For one frame the server's thread needs it several times
    while the device's thread works, and that one after each call of the model: in a process that
    only paints the first frame comes 2.6 ms sooner so (`bench replicas`).
    """
    sys.setswitchinterval(SWITCH_SECONDS)
