"""The servers that stand by for this one (`--fallback`): looked at first, then made engines of."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import InvalidSetting, LightningError
from ..reachable import addresses, is_loopback
from ..schemas import EngineStatus
from ..settings import Settings, fallback_key, listed
from ..surroundings import on_zerogpu
from .attempt import Place
from .base import Engine
from .failover import FailoverEngine
from .link import Link
from .metrics import Metrics
from .remote import RemoteEngine

HERE = "This server"
EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Looked:
    """One of them, as it has answered now."""

    url: str
    found: str
    unfit: bool = False  # it will never do, as things are; else it may come
    ready: bool = False


def with_fallbacks(
    local: Engine, settings: Settings, expected: EngineStatus, metrics: Metrics
) -> Engine:
    """The engine of this machine, and behind it those that stand by; itself where none do.

    Args:
        expected: the model, and what it is painted with.
    """
    urls = listed(settings.fallback)
    if not urls:
        return local
    places = [Place(HERE, local, here=True, label="1")]
    for number, url in enumerate(urls, 2):
        remote = RemoteEngine(url, expected, fallback_key(), metrics=metrics)
        places.append(Place(urlsplit(url).netloc, remote, label=f"{number}"))
    return FailoverEngine(places, metrics)


def check_fallbacks(settings: Settings, expected: EngineStatus) -> None:
    """Asks each once; one that does not answer now may do so later.

    Raises:
        InvalidSetting: one is no server of this demo, this very one, of another version, with other
            weights, or refuses the key.
    """
    if settings.fallback and on_zerogpu():
        raise InvalidSetting("fallback: ZeroGPU paints in each visitor's own name; leave it out.")
    for looked in look_at_fallbacks(settings, expected):
        if looked.unfit:
            raise InvalidSetting(f"fallback: {looked.found}")


def look_at_fallbacks(settings: Settings, expected: EngineStatus) -> list[Looked]:
    """How each is, all asked at the same time."""

    async def all_of_them() -> list[Looked]:
        urls = listed(settings.fallback)
        return list(await asyncio.gather(*(_look(url, settings, expected) for url in urls)))

    return asyncio.run(all_of_them())


async def _look(url: str, settings: Settings, expected: EngineStatus) -> Looked:
    if is_own(url, settings):
        return Looked(url, f"{url} is this very server; name another.", unfit=True)
    key = fallback_key()
    link = Link(url, key)
    try:
        told = await link.status(expected)
    except InvalidSetting as error:
        return Looked(url, error.message, unfit=True)
    except LightningError as error:
        return Looked(url, error.message)
    finally:
        await link.aclose()
    words = f"{url}: {told.state}, {told.texts['title']} on {told.texts['device'] or 'its device'}"
    if key and in_the_open(url):
        words += "; its key travels unencrypted, https would hide it"
    return Looked(url, words, ready=told.state == "ready")


def is_own(url: str, settings: Settings) -> bool:
    """Whether an address is the one that this server is about to listen on, as far as it shows.

    Under other names it knows itself when it answers.
    """
    parts = urlsplit(url)
    host, mine = parts.hostname or "", settings.host.strip("[]").lower()
    if not settings.port or (parts.port or PORTS[parts.scheme]) != settings.port:
        return False
    if host == mine:
        return True
    if mine in EVERYWHERE:
        return is_loopback(host) or host in addresses()
    return is_loopback(host) and is_loopback(mine)


def in_the_open(url: str) -> bool:
    """Whether what is sent there can be read on the way."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    return parts.scheme == "http" and not near
