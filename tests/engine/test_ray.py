"""Replicas of a real Ray cluster as one engine: the contract, and what happens when one dies."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lightning_demo.engine.ray.cluster import ALONE

os.environ |= ALONE  # before Ray is imported
pytest.importorskip("ray", reason="requirements-ray.txt is not installed")

from lightning_demo.engine import replica_figures
from lightning_demo.engine.base import Engine, Value, Work
from lightning_demo.engine.build import about
from lightning_demo.engine.ray.cluster import Cluster
from lightning_demo.engine.ray.engine import RayEngine
from lightning_demo.engine.ray.registry import Record
from lightning_demo.errors import InvalidSetting
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import Frame, GenerationRequest
from lightning_demo.settings import Settings

from ..web.fakes import LIMITS, STATUS
from .contract_elsewhere import ElsewhereContract
from .moments import settle
from .observed import collect
from .replicas import ColourReplica, FarSampler, ObservedReplica
from .served import check_moved, ready, until

# Ray's own, of which there are many, in whatever thread.
pytestmark = [
    pytest.mark.timeout(500),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PATIENCE = 400.0  # seconds; only a failure, or a crowded machine, takes so long
EXPECTED = about(MINIATURE)
ONE = Settings(engine="ray", model="miniature", device="cpu", port=0)
TWO = Settings(engine="ray", model="miniature", device="cpu", port=0, replicas="2")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One cluster for the module, of this machine alone."""
    made = Cluster(ONE, ObservedReplica, name="contract")
    yield made
    made.close()


@pytest.fixture(scope="module")
def observed(cluster: Cluster) -> Iterator[tuple[Cluster, Any, FarSampler]]:
    """The replica of the contract, and the way to its sampler."""
    plan = cluster.deploy(EXPECTED)
    while not (records := cluster.look(plan)[0]):
        time.sleep(0.1)
    sampler = FarSampler(records[0].url, plan.key)
    yield cluster, plan, sampler
    sampler.close()


class TestContract(ElsewhereContract):
    @pytest.fixture
    def open_engine(self, observed: Any):
        _, plan, self.sampler = observed

        @asynccontextmanager
        async def open_ray() -> AsyncIterator[tuple[RayEngine, FarSampler]]:
            self.sampler.tell("renew")
            visitor: Any = Cluster(ONE, ObservedReplica, name="contract", connected=True)
            visitor.close = visitor.leave  # the replica is for the next test, too
            engine = RayEngine(visitor, plan, EXPECTED)
            try:
                await ready(engine)
                yield engine, self.sampler
            finally:
                self.sampler.release()
                await engine.aclose()

        return open_ray

    async def arrived(self, engine: Engine) -> None:
        assert isinstance(engine, RayEngine)
        await settle()

        def agreed() -> bool:
            flows = [flow for m in engine._members.values() for flow in tuple(m.engine._flows)]
            waiting = sum(flow.waits and not flow.work.ahead for flow in flows)
            known = self.sampler.tell("look")
            claiming = any(member.engine._claiming for member in engine._members.values())
            return (len(flows), waiting) == (known["streams"], known["waiting"]) and not claiming

        await until(agreed)

    def test_other_servers_work_is_painted_by_replicas(self, run, open_engine: Any, ask):
        async def check() -> None:
            async with open_engine() as (engine, sampler):
                assert (await collect(engine, ask("theirs"), here=True))[-1].final
                assert "theirs" in sampler.steps
                status = engine.status()
                assert (status.own_state, status.engines, status.engines_ready) == ("ready", 1, 1)

        run(check())

    def test_what_a_replica_measures_is_told_under_its_name(
        self, run, open_engine: Any, ask, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(replica_figures, "ANSWER_SECONDS", 30.0)

        async def check() -> None:
            async with open_engine() as (engine, sampler):
                text = await asyncio.to_thread(engine._metrics.exposition)
                before = value("lightning_replica_steps_total", text, origin="page")
                request = ask("measured")
                assert (await collect(engine, request))[-1].final
                text = await asyncio.to_thread(engine._metrics.exposition)
                (record,) = engine.replicas
                steps = {"replica": record.name, "node": record.node, "origin": "page"}
                told = value("lightning_replica_steps_total", text, **steps)
                assert told == before + request.num_inference_steps
                assert value("lightning_replica_step_seconds_count", text, rows="1") > 0
                assert value("lightning_replica_requests_total", text) >= 1
                (row,) = engine._metrics.engine_rows()
                assert (row["name"], row["state"]) == (record.name, "ready")

        run(check())

    def test_what_it_measures_is_told_to_nobody_else(self, observed: Any):
        _, _, sampler = observed
        url = str(sampler._http.base_url.join("/metrics"))
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Authorization": "Bearer sk-x"}).status_code == 403


def value(name: str, text: bytes, **labels: str) -> float:
    """The sum of the samples of that name with these labels, in an exposition."""
    families = text_string_to_metric_families(text.decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    assert samples, name
    return sum(s.value for s in samples if labels.items() <= s.labels.items())


def asked(prompt: str, **fields: Any) -> GenerationRequest:
    fields = {"prompt": prompt, "seed": 7, "num_inference_steps": 8, **fields}
    return GenerationRequest.parse(fields, LIMITS)


async def read(engine: RayEngine, prompt: str, on_first: Any = None, **options: Any) -> list[Value]:
    """All of a request; something happens when its first frame has come."""
    seen: list[Value] = []
    async with aclosing(engine.generate(Work(asked(prompt), **options))) as values:
        async for value in values:
            seen.append(value)
            if isinstance(value, Frame) and on_first is not None:
                on_first()
                on_first = None
    return seen


def painter(engine: RayEngine, session: str) -> Record:
    """The replica that has this session."""
    place = engine._choice._homes[session][0]  # type: ignore[attr-defined]
    (record,) = [m.record for m in engine._members.values() if m.place is place]
    return record


def hold_second_step(engine: RayEngine, session: str) -> FarSampler:
    """What happens at the next request's first frame happens in the middle of it."""
    sampler = FarSampler(painter(engine, session).url, engine._plan.key)
    sampler.hold_at(2)
    return sampler


@asynccontextmanager
async def two_colours(cluster: Cluster) -> AsyncIterator[tuple[RayEngine, RayEngine]]:
    """Two replicas, and two web processes' engines, the second of which finds them there."""
    engines = []
    for _ in range(2):
        visitor = Cluster(TWO, ColourReplica, name="colours", connected=True)
        engines.append(RayEngine(visitor, visitor.deploy(STATUS), STATUS))
    try:
        for engine in engines:
            await until(lambda: engine.status().engines_ready == 2)  # noqa: B023
        yield engines[0], engines[1]
    finally:
        for engine in engines:
            await engine.aclose()


def test_stopped_killed_and_rolled(cluster: Cluster):
    """One deployment for all of it: to start a replica takes a core some seconds."""

    async def check() -> None:
        async with two_colours(cluster) as (engine, other):
            assert engine._plan == other._plan, "the second one deploys nothing"
            for n in range(4):
                await read(engine, f"{n}", session=f"s{n}")
            assert len({painter(engine, f"s{n}") for n in range(4)}) == 2
            alone = (await read(other, "a boat"))[-1]

            pid = painter(engine, "s0").pid
            stop = lambda: os.kill(pid, signal.SIGSTOP)  # noqa: E731
            sampler = hold_second_step(engine, "s0")
            check_moved(await read(engine, "stopped", stop, session="s0"))
            status = engine.status()
            assert (status.state, status.engines, status.engines_ready) == ("ready", 2, 1)
            assert painter(engine, "s0").pid != pid, "the session has moved"
            os.kill(pid, signal.SIGCONT)
            sampler.release()
            sampler.close()
            await until(lambda: engine.status().engines_ready == 2)

            pid = painter(engine, "s0").pid
            kill = lambda: os.kill(pid, signal.SIGKILL)  # noqa: E731
            hold_second_step(engine, "s0").close()
            moved = await read(engine, "a boat", kill, session="s0")
            check_moved(moved)
            assert moved[-1].data == alone.data, "whoever paints it"  # type: ignore[union-attr]

            for record in engine.replicas:
                if record.pid != pid:
                    os.kill(record.pid, signal.SIGKILL)
            waits = await read(engine, "waits for a new one")
            assert isinstance(waits[-1], Frame) and waits[-1].final
            await until(lambda: engine.status().engines_ready == 2)
            await roll(engine)

    asyncio.run(asyncio.wait_for(check(), PATIENCE))


async def roll(engine: RayEngine) -> None:
    """No picture is lost while all replicas are replaced."""
    before = {record.pid for record in engine.replicas}
    roller = Cluster(TWO, ColourReplica, name="colours", connected=True)
    plan = await asyncio.to_thread(roller.roll)

    def old() -> int:
        return sum(record.deployment != plan.deployment for record in engine.replicas)

    count = 0
    while old() or len(engine.replicas) < 2:
        count += 1
        seen = await read(engine, f"{count}", session=f"s{count % 4}")
        assert isinstance(seen[-1], Frame) and seen[-1].final
    assert not before & {record.pid for record in engine.replicas}
    assert count > 2
    roller.leave()


def test_other_weights_in_the_cluster_are_refused(
    cluster: Cluster, observed: Any, monkeypatch: pytest.MonkeyPatch
):
    from dataclasses import replace

    visitor = Cluster(ONE, ObservedReplica, name="contract", connected=True)
    ended, ask = [], visitor._ask
    monkeypatch.setattr(visitor, "_serve", SimpleNamespace(delete=lambda *_, **__: ended.append(1)))

    def alone(call: Any, *given: Any, **more: Any) -> Any:
        """As if no other process looked at the cluster at this moment."""
        found = ask(call, *given, **more)
        return 0 if call._method_name == "part" else found

    monkeypatch.setattr(visitor, "_ask", alone)
    with pytest.raises(InvalidSetting, match="paints with other weights"):
        visitor.deploy(replace(EXPECTED, fingerprint="another"))
    assert visitor.closed and not ended


def test_more_replicas_than_there_is_room_for(cluster: Cluster):
    many = Settings(engine="ray", replicas="64", device="cuda", model="miniature")
    visitor = Cluster(many, ColourReplica, name="many", connected=True)
    with pytest.raises(InvalidSetting, match=r"replicas .*64 are asked for, .* has 0 GPUs"):
        visitor.deploy(STATUS)


def test_nothing_to_roll(cluster: Cluster):
    visitor = Cluster(ONE, ColourReplica, name="nothing", connected=True)
    with pytest.raises(InvalidSetting, match="nothing has been deployed"):
        visitor.roll()
    visitor.close()


def test_who_paints_gives_way_to_no_other_program(cluster: Cluster, observed: Any):
    import psutil

    _, plan, _ = observed
    (record,) = cluster.look(plan)[0]
    assert psutil.Process(record.pid).nice() == psutil.Process().nice()


def test_everything_listens_on_the_loopback_address(cluster: Cluster, observed: Any):
    import psutil

    listening = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # some come and go
            if "ray" in " ".join(process.cmdline()).lower():
                connections = process.net_connections()
                listening |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    assert listening and listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
