"""What a talk's laptop says of itself: its power, its screens, its firewall.

Each is asked of the system's own files and commands, which say nothing to anybody outside; what
they do not tell is None or nothing. The readers of texts are apart, so that they can be tested
wherever one is.
"""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

CONNECTORS = Path("/sys/class/drm")
UFW = Path("/etc/ufw/ufw.conf")
PATIENCE = 15.0  # seconds for a command; macOS takes some to describe its screens
MAC_FIREWALL = "/usr/libexec/ApplicationFirewall/socketfilterfw"
WINDOWS_RULE = (
    'netsh advfirewall firewall add rule name="Lightning" dir=in action=allow protocol=TCP '
    "localport={port}"
)


@dataclass(frozen=True, slots=True)
class Power:
    """Where the current comes from."""

    plugged: bool
    percent: int  # of the battery


def power() -> Power | None:
    """None without a battery, or where the system does not tell of one."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is None or battery.power_plugged is None:
        return None
    return Power(battery.power_plugged, round(battery.percent))


def screens() -> list[str]:
    """The connected screens, as "HDMI-A-1 1920 x 1080"; none where the system does not tell."""
    if sys.platform == "linux":
        return screens_of_linux(CONNECTORS)
    if sys.platform == "darwin":
        return screens_of_mac(_told("system_profiler", "-json", "SPDisplaysDataType"))
    return screens_of_windows() if sys.platform == "win32" else []


def firewall(port: int) -> str:
    """What may keep phones out, and what lets them in; "" where nothing is known of any."""
    if sys.platform == "linux":
        return firewall_of_linux(port, UFW, _told("firewall-cmd", "--state"))
    if sys.platform == "darwin":
        return firewall_of_mac(_told(MAC_FIREWALL, "--getglobalstate"))
    if sys.platform == "win32":
        return firewall_of_windows(port, _told("netsh", "advfirewall", "show", "currentprofile"))
    return ""


# Linux ----------------------------------------------------------------------------------------


def screens_of_linux(folder: Path) -> list[str]:
    """By the kernel's files, so also where there is no X server to ask."""
    found = []
    for connector in sorted(folder.glob("card*-*")):
        if _line(connector / "status") == "connected":
            mode = _line(connector / "modes")  # the screen's own comes first
            name = connector.name.partition("-")[2]
            found.append(f"{name} {mode.replace('x', ' x ')}".strip())
    return found


def firewall_of_linux(port: int, ufw: Path, firewalld: str) -> str:
    """Neither tells its rules to everybody, so this is a hint."""
    try:
        on = "ENABLED=yes" in ufw.read_text(encoding="utf-8", errors="replace")
    except OSError:
        on = False
    if on:
        return f"ufw is on; phones come in after: sudo ufw allow {port}/tcp"
    if firewalld.strip() == "running":
        return f"firewalld is on; phones come in after: sudo firewall-cmd --add-port={port}/tcp"
    return ""


# macOS ----------------------------------------------------------------------------------------


def screens_of_mac(told: str) -> list[str]:
    """By what `system_profiler -json SPDisplaysDataType` says."""
    try:
        cards: list[dict[str, Any]] = json.loads(told)["SPDisplaysDataType"]
        found = [screen for card in cards for screen in card.get("spdisplays_ndrvs", [])]
        sizes = (
            each.get("_spdisplays_pixels", each.get("_spdisplays_resolution")) for each in found
        )
        return [
            f"{each.get('_name', 'screen')} {size or ''}".strip()
            for each, size in zip(found, sizes, strict=True)
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def firewall_of_mac(told: str) -> str:
    """By what `socketfilterfw --getglobalstate` says."""
    if "State = 1" not in told and "State = 2" not in told:
        return ""
    return "macOS' firewall is on; when it asks whether Python may be reached, allow it"


# Windows --------------------------------------------------------------------------------------


def screens_of_windows() -> list[str]:
    """The main one's size, and how many there are."""
    library = ctypes.windll.user32  # type: ignore[attr-defined, unused-ignore]
    library.SetProcessDPIAware()
    width, height, count = (library.GetSystemMetrics(which) for which in (0, 1, 80))
    return [f"main screen {width} x {height}", *["another screen"] * (count - 1)]


def firewall_of_windows(port: int, told: str) -> str:
    """By what `netsh` says, in any language: the profile's state has no other word in capitals."""
    if not re.search(r"\bON\b|\bEIN\b|ACTIV", told):
        return ""
    rule = WINDOWS_RULE.format(port=port)
    return f"Windows' firewall is on; when it asks, allow Python, or as administrator: {rule}"


# Helpers --------------------------------------------------------------------------------------


def _line(file: Path) -> str:
    """The first line of a small file; "" without one."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def _told(*command: str) -> str:
    """What a command prints; "" where there is none such, or it fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
