"""Which addresses can be listened on."""

from __future__ import annotations

import pytest

from lightning_demo.errors import InvalidSetting
from lightning_demo.ports import free_port


def test_a_port_is_found_and_foreign_addresses_are_refused() -> None:
    assert 0 < free_port("127.0.0.1", 0) < 65536
    for host in ("no.such.host.invalid", "203.0.113.1"):
        with pytest.raises(InvalidSetting):
            free_port(host, 0)
