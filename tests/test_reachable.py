"""Addresses for other machines: without asking anybody, and never one that means each machine."""

from __future__ import annotations

import ipaddress
import socket
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from lightning_demo.reachable import addresses, urls


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Any:
    def have(*found: tuple[str, str]) -> None:
        here = {"lo": [(socket.AF_INET, "127.0.0.1")], "off": [(socket.AF_INET, "192.168.9.9")]}
        for name, address in found:
            here.setdefault(name, []).append((socket.AF_INET, address))
        listed = {
            name: [SimpleNamespace(family=family, address=each) for family, each in some]
            for name, some in here.items()
        }
        monkeypatch.setattr(psutil, "net_if_addrs", lambda: listed)
        states = {name: SimpleNamespace(isup=name != "off") for name in here}
        monkeypatch.setattr(psutil, "net_if_stats", lambda: states)

    return have


def test_this_machines_own_are_found_and_nobody_is_asked(monkeypatch: pytest.MonkeyPatch):
    def ask(*name: object, **options: object) -> None:
        raise AssertionError(name)

    for function in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getfqdn"):
        monkeypatch.setattr(socket, function, ask)
    for address in addresses():
        assert not ipaddress.ip_address(address).is_loopback


def test_the_likeliest_is_first(devices: Any):
    devices(
        ("eth1", "169.254.3.4"),
        ("eth0", "81.2.69.142"),
        ("wlan0", "10.42.0.1"),
        ("docker0", "172.17.0.1"),
        ("wlan0", "10.42.0.1"),
    )
    assert addresses() == ("10.42.0.1", "81.2.69.142", "169.254.3.4")
    devices(("docker0", "172.17.0.1"))
    assert addresses() == ("172.17.0.1",), "better than none"
    devices()
    assert addresses() == ()


def test_a_server_is_found_where_it_listens(devices: Any):
    devices(("wlan0", "192.168.1.7"))
    for host in ("0.0.0.0", "::", "[::]"):  # noqa: S104
        assert urls(host, 7860) == ("http://192.168.1.7:7860",)
    for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.9.9.9"):
        assert urls(host, 7860) == ()
    assert urls("192.168.1.8", 443, https=True) == ("https://192.168.1.8:443",)
    assert urls("fd00::2", 80) == ("http://[fd00::2]:80",)
    assert urls("talk.example", 80) == ("http://talk.example:80",)
