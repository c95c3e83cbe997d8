"""What `/metrics` says of each replica."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..attempt import Place

Known = Callable[[], Iterable[tuple[str, str, Place]]]  # name, node, and what is known of it


class ReplicaFigures(Collector):
    """Looks when it is asked; nothing is counted twice."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def collect(self) -> Iterator[Metric]:
        """Four figures of each that is there."""
        labels = ("replica", "node")
        up = GaugeMetricFamily("lightning_replica_up", "Whether it paints.", labels=labels)
        waiting = GaugeMetricFamily(
            "lightning_replica_waiting", "Requests in line there.", labels=labels
        )
        here = GaugeMetricFamily(
            "lightning_replica_in_flight", "Requests of this process there.", labels=labels
        )
        begun = CounterMetricFamily(
            "lightning_replica_requests", "Requests that it was given.", labels=labels
        )
        for name, node, place in self._known():
            status, own = place.engine.status(), (name, node)
            up.add_metric(own, float(status.state == "ready" and not place.ejected))
            waiting.add_metric(own, status.waiting)
            here.add_metric(own, len(place.attempts))
            begun.add_metric(own, place.given)
        yield from (up, waiting, here, begun)
