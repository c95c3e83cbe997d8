"""Webhooks: the program that asked for a picture is told how it goes, where the operator allows it.

Only hosts of `--webhook-hosts` are told anything. Messages are signed as Standard Webhooks lays
down (github.com/standard-webhooks/standard-webhooks), so that the clients' own functions check
them. No redirect is followed. When they are sent is as in Cog (docs/http.md of replicate/cog).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import http.client
import json
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from ...errors import InvalidRequest
from ...settings import Settings, listed
from .job import Job
from .store import Store, new_id

log = logging.getLogger(__name__)

WebhookEvent = Literal["start", "output", "logs", "completed"]

RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)  # before the next attempts to tell of the end
LOGS_SECONDS = 0.5  # between two messages about the log
TIMEOUT_SECONDS = 10.0  # for a host to connect, and to answer
CLOSE_SECONDS = 1.0  # for what is being sent when the server ends
THREADS = 4  # of their own: slow hosts must not hold up anything else

_NAMES: dict[str, WebhookEvent] = {
    "started": "start",
    "step": "logs",
    "picture": "output",
    "ended": "completed",
}


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a client wants to be told of which events."""

    url: SplitResult
    events: frozenset[WebhookEvent]


class Webhooks:
    """All webhooks of a server. Belongs to one event loop."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._hosts = frozenset(host.lower() for host in listed(settings.webhook_hosts))
        self._secret = store.secret("webhooks")
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="webhook")
        self._running: set[asyncio.Task[None]] = set()

    def secret(self, owner: str) -> str:
        """The key that one client's messages are signed with, in the form `whsec_` and base64."""
        return f"whsec_{base64.b64encode(self._key(owner)).decode()}"

    def parse(self, url: str, events: Sequence[WebhookEvent] | None) -> Webhook:
        """
        Args:
            url: as the client gives it.
            events: that it wants to be told of; None: all.

        Raises:
            InvalidRequest: nothing is sent there.
        """
        # What http.client would refuse, or what could be read as another host, is no address here.
        if not re.fullmatch(r"https?://[\w.:\[\]-]+(?:[/?][!-~]*)?", url, re.ASCII):
            raise InvalidRequest("webhook: must be an http or https address.", field="webhook")
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
            known = {host, f"{host}:{parts.port}"} & self._hosts
        except ValueError:
            raise InvalidRequest(
                "webhook: must be an http or https address.", field="webhook"
            ) from None
        if not known:
            raise InvalidRequest(
                "webhook: this server sends nothing to that host; its operator allows hosts with "
                "--webhook-hosts.",
                field="webhook",
            )
        return Webhook(parts, frozenset(events if events is not None else _NAMES.values()))

    def follow(
        self, webhook: Webhook, job: Job, content: Callable[[], Awaitable[Mapping[str, Any]]]
    ) -> None:
        """Tells of a job until it has ended.

        Args:
            content: what is said: the job as it then is, in the vendor's form.
        """
        task = asyncio.create_task(self._follow(webhook, job, content))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def aclose(self) -> None:
        """Sends what can be sent at once; the rest is given up."""
        if running := list(self._running):
            _, late = await asyncio.wait(running, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _follow(
        self, webhook: Webhook, job: Job, content: Callable[[], Awaitable[Mapping[str, Any]]]
    ) -> None:
        key = self._key(job.record.owner)
        told_logs = -math.inf
        async for _, event in job.events():
            name, now = _NAMES[event.kind], time.monotonic()
            early = name == "logs" and now - told_logs < LOGS_SECONDS
            if name not in webhook.events or early:
                continue
            if name == "logs":
                told_logs = now
            try:
                body = json.dumps(await content()).encode()
            except Exception:
                log.exception("what a webhook should tell")
                continue
            await self._send(webhook.url, key, body, RETRY_SECONDS if name == "completed" else ())

    async def _send(
        self, url: SplitResult, key: bytes, body: bytes, delays: Sequence[float]
    ) -> None:
        """Sends one message; again after each delay while the host may yet take it."""
        loop = asyncio.get_running_loop()
        message = f"msg_{new_id()}"
        for delay in (*delays, None):
            headers = signed(key, message, int(time.time()), body)
            try:
                status = await loop.run_in_executor(self._threads, _post, url, headers, body)
                said = f"answered {status}"
            except (OSError, http.client.HTTPException, ValueError) as error:
                status, said = 0, f"could not be reached ({type(error).__name__})"
            if 200 <= status < 300:
                return
            if delay is None or not (status in (0, 429) or status >= 500):
                log.warning("a webhook's host, %s, %s", url.hostname, said)
                return
            await asyncio.sleep(delay)

    def _key(self, owner: str) -> bytes:
        """Each client has its own: it can check its messages, and forge none of others'."""
        return hmac.digest(self._secret, owner.encode("utf-8", "surrogatepass"), "sha256")


def signed(key: bytes, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message, its signature among them.

    Args:
        message: its id, the same for each attempt to send it.
        timestamp: seconds since 1970.
    """
    content = f"{message}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "lightning-demo",
        "Webhook-Id": message,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": f"v1,{signature}",
    }


def _post(url: SplitResult, headers: Mapping[str, str], body: bytes) -> int:
    """Sends a body once; returns the status of the answer, of which nothing else is read."""
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
    try:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("POST", target, body, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()
