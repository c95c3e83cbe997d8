"""What `/metrics` says of each replica: what is seen of it here, and what it measures itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from .attempt import Place

log = logging.getLogger(__name__)

OURS = "lightning_"
PREFIX = "lightning_replica_"
# Of a replica's own: what happens at the device. Sessions, keys and memory are the web process's.
MEASURED = tuple(
    OURS + name
    for name in (
        "queue_wait_seconds",
        "embed_seconds",
        "step_seconds",
        "decode_seconds",
        "encode_seconds",
        "safety_seconds",
        "batch_rows",
        "prompts",
        "decoded",
        "steps",
        "wasted_steps",
        "ahead_steps",
        "blurred",
    )
)
LABELS = ("replica", "node")
ANSWER_SECONDS = 1.0  # that a scrape waits for a replica; one that is late is left out of it
AT_ONCE = 16  # that are asked


@dataclass(frozen=True, slots=True)
class Known:
    """One replica that is there."""

    labels: tuple[str, str]  # values of `LABELS`
    url: str
    key: str  # that it asks for
    place: Place


class ReplicaFigures(Collector):
    """Looks when it is asked; nothing is counted twice. Waits for replicas: call it in a thread."""

    def __init__(self, known: Callable[[], Iterable[Known]]) -> None:
        self._known = known

    def collect(self) -> Iterator[Metric]:
        """Four figures of each that is there, and everything that it has measured."""
        known = list(self._known())
        yield from _seen(known)
        if known:
            with ThreadPoolExecutor(min(len(known), AT_ONCE)) as threads:
                yield from _joined(known, threads.map(_told, known))


def _seen(known: Sequence[Known]) -> Iterator[Metric]:
    """What is seen from here."""
    up = GaugeMetricFamily(f"{PREFIX}up", "Whether it paints.", labels=LABELS)
    waiting = GaugeMetricFamily(f"{PREFIX}waiting", "Requests in line there.", labels=LABELS)
    here = GaugeMetricFamily(f"{PREFIX}in_flight", "Requests of this process there.", labels=LABELS)
    begun = CounterMetricFamily(f"{PREFIX}requests", "Requests that it was given.", labels=LABELS)
    for each in known:
        status, place = each.place.engine.status(), each.place
        up.add_metric(each.labels, float(status.state == "ready" and not place.ejected))
        waiting.add_metric(each.labels, status.waiting)
        here.add_metric(each.labels, len(place.attempts))
        begun.add_metric(each.labels, place.given)
    yield from (up, waiting, here, begun)


def _told(each: Known) -> str:
    """What a replica measures itself, in Prometheus' text format; empty where it does not say."""
    headers = {"Authorization": f"Bearer {each.key}"}
    try:
        answer = httpx.get(
            f"{each.url}/metrics", headers=headers, timeout=ANSWER_SECONDS, trust_env=False
        )
        return answer.raise_for_status().text
    except httpx.HTTPError as error:
        log.debug("%s does not say what it measures: %s", each.url, error)
        return ""


def _joined(known: Sequence[Known], told: Iterable[str]) -> Iterator[Metric]:
    """One family for all replicas, each sample with the name of its own."""
    families: dict[str, Metric] = {}
    for each, text in zip(known, told, strict=True):
        own = dict(zip(LABELS, each.labels, strict=True))
        for family in text_string_to_metric_families(text):
            if family.name not in MEASURED:
                continue
            name = PREFIX + family.name.removeprefix(OURS)
            joined = families.setdefault(name, Metric(name, family.documentation, family.type))
            for sample in family.samples:
                joined.add_sample(
                    PREFIX + sample.name.removeprefix(OURS), own | sample.labels, sample.value
                )
    yield from families.values()
