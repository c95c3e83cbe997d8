"""`rollout`: all replicas are started anew, one after another, while the demo goes on."""

from __future__ import annotations

import time

from ...errors import EngineUnavailable
from ...settings import Settings
from .cluster import Cluster

LOOK_SECONDS = 0.5


def rollout(settings: Settings, replica: type) -> int:
    """Deploys once more and waits until only new replicas paint; returns the exit code.

    Args:
        settings: with the address of the cluster.

    Raises:
        InvalidSetting: there is no such cluster, or nothing has been deployed there.
        EngineUnavailable: new ones cannot be started.
    """
    cluster = Cluster(settings, replica)
    try:
        plan = cluster.roll()
        said = ""
        while True:
            time.sleep(LOOK_SECONDS)
            seen = cluster.seen()
            if seen.problem:
                raise EngineUnavailable(seen.problem)
            records = [each for each in cluster.records() if not each.draining]
            new = sum(each.deployment == plan.deployment for each in records)
            line = f"{new} of {seen.wanted} new engines are there; {len(records) - new} old ones"
            if line != said:
                said = line
                print(line, flush=True)
            if new >= seen.wanted and new == len(records):
                return 0
    finally:
        cluster.leave()
