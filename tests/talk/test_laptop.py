"""What systems say of power, screens and firewalls, read from their own texts."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from lightning_demo.talk import laptop
from lightning_demo.talk.laptop import Power

MAC_SCREENS = {
    "SPDisplaysDataType": [
        {
            "_name": "kHW_AppleM2Item",
            "spdisplays_ndrvs": [
                {"_name": "Color LCD", "_spdisplays_pixels": "3024 x 1964"},
                {"_name": "EPSON PJ", "_spdisplays_resolution": "1280 x 720 @ 60.00Hz"},
            ],
        }
    ]
}


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("battery", "found"),
    [
        (None, None),
        ((71, 3600, False), Power(False, 71)),
        ((99.6, -2, True), Power(True, 100)),
        ((50, -1, None), None),
    ],
)
def test_power(monkeypatch: pytest.MonkeyPatch, battery: Any, found: Power | None):
    told = battery and SimpleNamespace(
        **dict(zip(("percent", "secsleft", "power_plugged"), battery, strict=True))
    )
    monkeypatch.setattr(psutil, "sensors_battery", lambda: told, raising=False)
    assert laptop.power() == found


def test_linux_tells_its_screens(tmp_path: Path):
    files = {
        "card0-eDP-1/status": "connected",
        "card0-eDP-1/modes": "2880x1800\n1920x1080",
        "card0-HDMI-A-1/status": "connected",
        "card0-HDMI-A-1/modes": "1024x768",
        "card0-DP-1/status": "disconnected",
    }
    found = laptop.screens_of_linux(tree(tmp_path, files))
    assert found == ["HDMI-A-1 1024 x 768", "eDP-1 2880 x 1800"]
    assert laptop.screens_of_linux(tmp_path / "none") == []


def test_linux_firewalls(tmp_path: Path):
    ufw = tmp_path / "ufw.conf"
    assert laptop.firewall_of_linux(7860, ufw, "") == ""
    ufw.write_text("# on boot\nENABLED=no\n")
    assert "firewall-cmd --add-port=7860/tcp" in laptop.firewall_of_linux(7860, ufw, "running\n")
    ufw.write_text("ENABLED=yes\n")
    assert "sudo ufw allow 7861/tcp" in laptop.firewall_of_linux(7861, ufw, "")


def test_macos():
    told = laptop.screens_of_mac(json.dumps(MAC_SCREENS))
    assert told == ["Color LCD 3024 x 1964", "EPSON PJ 1280 x 720 @ 60.00Hz"]
    for odd in ("", "[]", '{"SPDisplaysDataType": [1]}'):
        assert laptop.screens_of_mac(odd) == []
    assert "allow it" in laptop.firewall_of_mac("Firewall is enabled. (State = 1)")
    assert laptop.firewall_of_mac("Firewall is disabled. (State = 0)") == ""


def test_windows_firewall():
    on = "Private Profile Settings:\n-----\nState                                 ON\n"
    assert "localport=7860" in laptop.firewall_of_windows(7860, on)
    assert laptop.firewall_of_windows(7860, on.replace("ON", "OFF")) == ""


def test_this_machine_tells_what_it_can():
    assert laptop.power() is None or isinstance(laptop.power(), Power)
    assert all(isinstance(each, str) for each in laptop.screens())
    assert isinstance(laptop.firewall(7860), str)
    assert laptop._told("no-such-command") == ""
