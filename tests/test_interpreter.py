"""What a server changes of Python itself."""

from __future__ import annotations

import sys

from lightning_demo.interpreter import answer_soon


def test_threads_take_turns_sooner():
    before = sys.getswitchinterval()
    try:
        sys.setswitchinterval(0.005)
        answer_soon()
        assert sys.getswitchinterval() < 0.001
    finally:
        sys.setswitchinterval(before)
