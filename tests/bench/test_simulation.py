"""The simulator: it does what the real engine does, it is exact, and it says what is wrong."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lightning_demo.bench.score import first_paints, rate, waits
from lightning_demo.bench.simulation.crowd import figures, simulate, typists
from lightning_demo.bench.simulation.device_model import GIVEN, DeviceModel, device_model, linear
from lightning_demo.bench.simulation.engine import SimulatedEngine
from lightning_demo.bench.simulation.replicas import Deaths
from lightning_demo.bench.simulation.virtual_loop import run_virtual
from lightning_demo.bench.typists import Key, Typist
from lightning_demo.cli import main
from lightning_demo.engine import local, runner
from lightning_demo.engine.base import MAX_WAITING, Engine, Work
from lightning_demo.engine.build import about
from lightning_demo.engine.events import Called
from lightning_demo.engine.latency_model import LatencyModel
from lightning_demo.engine.local import LocalEngine
from lightning_demo.errors import InvalidSetting
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import Frame, GenerationRequest
from lightning_demo.settings import Settings

from ..engine.moments import settle
from ..quick import quick_components

NO_DRAFTS = Settings(latency_budget=0)


# Simulator and reality -------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrival:
    """A request of somebody, who wants nothing else any more."""

    at: float  # seconds of the virtual clock
    user: int
    prompt: str
    steps: int = 4
    guidance: float = 0.0
    width: int = 128

    def request(self, ask: Any) -> GenerationRequest:
        return ask(
            self.prompt,
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            width=self.width,
        )


def crowd_latencies() -> LatencyModel:
    model = LatencyModel()
    for size in MINIATURE.sizes:
        for rows in (1, 2, 4, 8):
            # Odd, so that no two groups are ever equally old but for a rounding.
            model.calibrate("step", size, rows, 0.010137 + 0.003219 * (rows - 1))
            model.calibrate("decoder", size, rows, 0.008311 * rows)
            model.calibrate("preview", size, rows, 0.001073 * (rows + 1))
    return model


# The first is alone; all others come while somebody is being painted.
SCRIPT = (
    Arrival(0.000, 0, "first"),
    Arrival(0.001, 1, "second"),
    Arrival(0.002, 2, "one step", steps=1),
    Arrival(0.003, 3, "in line, replaced"),
    Arrival(0.004, 4, "eight steps", steps=8),
    Arrival(0.005, 5, "guided", guidance=5.0),
    Arrival(0.0055, 6, "wide", steps=2, width=192),
    Arrival(0.006, 3, "in line, kept place", steps=4),
    *(Arrival(0.015 + 0.001 * n, 10 + n, f"crowd {n}") for n in range(9)),
    Arrival(0.031, 1, "second again"),  # while its first is being painted
    *(Arrival(0.040 + 0.011 * n, 30 + n, f"quick {n}", steps=1) for n in range(4)),
    *(Arrival(0.080 + 0.002 * n, 50 + n, f"pair {n}", steps=2) for n in range(3)),
    Arrival(0.110, 30, "late", steps=2),
    Arrival(0.111, 31, "later", steps=8),
)


class VirtualTime:
    """Stands for the module `time`: passes only by the calls of the model."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic


class TimedSampler(Sampler):
    """Real models; each call takes what the device model says, while others come."""

    decodes_beside = False  # the simulated device does one thing at a time

    def __init__(self, components: Any, clock: VirtualTime) -> None:
        super().__init__(components)
        self.clock = clock
        self.batches: list[tuple[float, frozenset[str]]] = []
        self.previewed: Counter[str] = Counter()
        self.come: Callable[[float], None] = lambda until: None
        self.begun = threading.Event()
        self.begun.set()  # until it is warm

    def step(self, rows: Sequence[Any]) -> None:
        self.begun.wait(30)
        prompts = frozenset(row.request.prompt for row in rows)
        self.batches.append((round(self.clock.now, 6), prompts))
        super().step(rows)
        count = sum(row.request.unet_rows for row in rows)
        self._take("step", rows, count)

    def previews(self, rows: Sequence[Any]) -> Any:
        self._take("preview", rows, len(rows))
        self.previewed.update(row.request.prompt for row in rows)
        return super().previews(rows)

    def finals(self, rows: Sequence[Any]) -> Any:
        self._take("decoder", rows, len(rows))
        return super().finals(rows)

    def _take(self, kind: Any, rows: Sequence[Any], count: int) -> None:
        size = rows[0].request.width, rows[0].request.height
        until = self.clock.now + crowd_latencies().seconds(kind, size, count)
        self.come(until)
        self.clock.now = until


class People:
    """Those of a script, at any engine; each wants only what they asked for last."""

    def __init__(self, engine: Engine, ask: Any) -> None:
        self.engine, self.ask = engine, ask
        self.seen: Counter[str] = Counter()  # frames by prompt
        self.wanted: dict[int, str] = {}  # prompts by user
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._waiting: dict[int, float] = {}  # since when, by user

    async def arrive(self, arrival: Arrival) -> None:
        """Somebody asks, in place of what they asked for before."""
        if arrival.user in self._tasks:
            self._tasks[arrival.user].cancel()
            await asyncio.gather(self._tasks[arrival.user], return_exceptions=True)
        self.wanted[arrival.user] = arrival.prompt
        self._tasks[arrival.user] = asyncio.create_task(self._read(arrival))
        await asyncio.sleep(0)

    async def leave(self) -> None:
        """Waits until all have what they want."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _read(self, arrival: Arrival) -> None:
        since = self._waiting.setdefault(arrival.user, arrival.at)
        work = Work(arrival.request(self.ask), since=since)
        async with aclosing(self.engine.generate(work)) as values:
            async for value in values:
                self._waiting.pop(arrival.user, None)
                self.seen[arrival.prompt] += isinstance(value, Frame)


async def really(
    script: Sequence[Arrival], components: Any, ask: Any, clock: VirtualTime
) -> list[tuple[float, frozenset[str]]]:
    """The UNet calls of the real engine, which others come to while it works."""
    sampler = TimedSampler(components, clock)
    engine = LocalEngine(lambda report: sampler, about(MINIATURE), latency_model=crowd_latencies())
    while engine.status().state == "loading":
        await settle()
    sampler.batches.clear()
    sampler.previewed.clear()
    sampler.begun.clear()
    clock.now = 0.0
    loop = asyncio.get_running_loop()
    people = People(engine, ask)
    left = list(script)

    async def arrive(until: float) -> None:
        # Previews on their way are seen before the worker goes on: which thread is quicker must
        # not decide who has the next one.
        while any(people.seen[each] < sampler.previewed[each] for each in people.wanted.values()):
            await settle(0.001)
        while left and left[0].at <= until:
            clock.now = left[0].at
            await people.arrive(left[0])
            del left[0]  # only now: whoever waits for all to leave must know the last one

    sampler.come = lambda until: asyncio.run_coroutine_threadsafe(arrive(until), loop).result(30)
    await arrive(0.0)
    sampler.begun.set()
    while left:
        await settle()
    await people.leave()
    await engine.aclose()
    return sampler.batches


class WatchedEngine(SimulatedEngine):
    """Keeps what was in each UNet call, and when."""

    def __init__(self, model: DeviceModel) -> None:
        super().__init__(model, MINIATURE.limits)
        self.batches: list[tuple[float, frozenset[str]]] = []

    async def _spend(self, call: Called) -> None:
        if call.kind == "step":
            prompts = frozenset(request.work.request.prompt for request in call.batch)
            now = asyncio.get_running_loop().time()
            self.batches.append((round(now, 6), prompts))
        await super()._spend(call)


async def simulated(script: Sequence[Arrival], ask: Any) -> list[tuple[float, frozenset[str]]]:
    engine = WatchedEngine(DeviceModel("crowd", (128, 128), crowd_latencies()))
    people, loop = People(engine, ask), asyncio.get_running_loop()
    for arrival in script:
        await asyncio.sleep(arrival.at - loop.time())
        await people.arrive(arrival)
    await people.leave()
    return engine.batches


def test_the_simulator_does_what_the_real_engine_does(run, miniature, ask, monkeypatch):
    components, clock = quick_components(miniature), VirtualTime()
    monkeypatch.setattr(local, "time", clock)
    monkeypatch.setattr(runner, "time", clock)
    calls = run(really(SCRIPT, components, ask, clock))
    assert calls == run_virtual(simulated(SCRIPT, ask))
    prompts = [batch for _, batch in calls]
    assert max(map(len, prompts)) == 8, "the script fills a call"
    assert not any("in line, replaced" in batch for batch in prompts)
    assert 1 <= sum("second" in batch for batch in prompts) < 4, "it left while being painted"
    assert len({len(batch) for batch in prompts}) > 3


# What users feel -------------------------------------------------------------------------------


def test_one_user_waits_for_exactly_the_work():
    model = linear("even", 512, (10, 5), 4, 1, prompt=2, encode=3)
    alone = Typist((Key(0.0, "a", False), Key(5.0, "a cat", True)), seed=1)
    outcome = simulate(model, [alone], 1, settings=NO_DRAFTS)
    (trace,) = outcome.traces
    # One preview: the others would be replaced before they are seen.
    assert first_paints(trace) == pytest.approx([0.002 + 0.010 + 0.001 + 0.003] * 2)
    (wait,) = waits(trace)
    assert wait.seconds == pytest.approx(0.002 + 4 * 0.010 + 0.001 + 0.004 + 0.003)
    found = figures(outcome)
    assert (found["steps"], found["wasted_steps"], found["lost_finals"]) == (8, 0, 0)
    assert (found["rows_per_step"], found["fairness"]) == (1.0, 1.0)


@given(
    users=st.integers(1, 12),
    gpus=st.integers(1, 4),
    steps=st.lists(st.sampled_from((1, 2, 4, 8)), min_size=1, max_size=4),
    first=st.floats(1, 60),
    further=st.floats(0.5, 60),
    budget=st.sampled_from((0, 50, 200, 1000)),
)
@settings(max_examples=25)
def test_whoever_types_gets_the_last_picture(users, gpus, steps, first, further, budget):
    model = linear("any", 512, (first, further), 9, 1, prompt=1, encode=1)
    typing = typists(users, 3)
    rules = Settings(latency_budget=budget)
    outcome = simulate(model, typing, gpus, steps, rules)
    found = figures(outcome)
    assert found["lost_finals"] == 0
    assert found["waits"] == sum(key.waits for each in typing for key in each.keys)
    assert 0 <= found["wasted_steps"] < found["steps"]
    assert 0 < found["fairness"] <= 1
    assert 0 < found["utilisation"] <= 1
    sessions = sorted(gpu.sessions for gpu in outcome.gpus)
    assert sum(sessions) == users and sessions[-1] - sessions[0] <= 1
    assert figures(simulate(model, typing, gpus, steps, rules)) == found, "the same every time"


def test_a_crowd_beyond_what_a_server_takes_waits_and_is_not_refused():
    crowd = [Typist((Key(0.0, f"{n}", True),), seed=n) for n in range(MAX_WAITING + 20)]
    outcome = simulate(linear("quick", 512, (1, 1), 1, 1), crowd, 1, settings=NO_DRAFTS)
    found = figures(outcome)
    assert (found["waits"], found["lost_finals"]) == (len(crowd), 0)


def test_more_gpus_make_nobody_wait_longer():
    typing = typists(24, 5)
    waits = [
        figures(simulate(GIVEN["h200-1024"], typing, gpus, settings=NO_DRAFTS))
        for gpus in (1, 4, 24)
    ]
    p95 = [each["last_key_to_final_ms"]["p95"] for each in waits]
    assert p95[0] > p95[1] > p95[2]
    assert waits[2]["wasted_steps"] >= 0


def test_mixed_step_counts_are_all_served():
    """Nobody of 8 steps starves beside those of 1: all wait alike but for their own work."""
    model = linear("mixed", 1024, (22, 11), 9, 3)
    outcome = simulate(model, typists(16, 10), 1, (1, 2, 4, 8), NO_DRAFTS)
    means = [1 / rate(waits(trace)) for trace in outcome.traces]
    few, many = sum(means[0::4]) / 4, sum(means[3::4]) / 4
    assert few < many < 4 * few, "though it is eight times the work"


@pytest.mark.parametrize("gpus", [1, 3])
def test_nothing_is_lost_when_replicas_die(gpus: int):
    """Of one alone, all wait until another has come."""
    model, typing = GIVEN["h200-1024"], typists(8, 6)
    deaths = Deaths(2 * gpus, replaced_after=2.0, within=6.0)
    outcome = simulate(model, typing, gpus, settings=NO_DRAFTS, deaths=deaths)
    found = figures(outcome, gpus)
    assert found["lost_finals"] == 0 and found["moved"] > 0
    assert gpus < len(outcome.gpus) <= gpus + deaths.number
    assert figures(simulate(model, typing, gpus, settings=NO_DRAFTS, deaths=deaths), gpus) == found
    calm = simulate(model, typing, gpus, settings=NO_DRAFTS, deaths=replace(deaths, number=0))
    assert len(calm.gpus) == gpus and figures(calm, gpus)["moved"] == 0
    waits = [each["last_key_to_final_ms"]["max"] for each in (figures(calm, gpus), found)]
    assert waits[0] < waits[1]


# The command -----------------------------------------------------------------------------------


def test_the_command_prints_a_table_and_one_document(capsys, tmp_path: Path):
    plot, out = tmp_path / "p95.svg", tmp_path / "run.json"
    arguments = ["--users", "1", "6", "--gpus", "1", "2", "--seconds", "2"]
    code = main(["bench", "simulate", *arguments, "--plot", str(plot), "--out", str(out)])
    assert code == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(run["gpus"], run["users"]) for run in result["runs"]] == [
        (1, 1),
        (1, 6),
        (2, 1),
        (2, 6),
    ]
    for run in result["runs"]:
        waits = run["last_key_to_final_ms"]
        assert 0 < waits["p50"] <= waits["p95"] <= waits["max"]
    assert json.loads(out.read_text()) == result
    assert "2 GPUs" in plot.read_text()


def test_the_command_lets_replicas_die(capsys):
    options = ["--users", "6", "--gpus", "2", "--seconds", "3", "--deaths", "1"]
    assert main(["bench", "simulate", *options, "--replaced-after", "1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    (run,) = result["runs"]
    assert (run["gpus"], run["lost_finals"], result["deaths"], result["replaced_after"]) == (
        (2, 0, 1, 1)
    )


def test_its_own_costs_can_be_read_again(tmp_path: Path):
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(GIVEN["h200-512"].as_dict()))
    assert device_model(str(path)).as_dict() == GIVEN["h200-512"].as_dict()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "none of h200-1024, h200-512, miniature, nor a file"),
        ("{", "is not JSON"),
        ("[]", "must hold"),
        ('{"size": [8, 8], "calls": []}', "must hold"),
        ('{"size": [8, 8], "calls": [["step", [8, 8], 1, -1]]}', "seconds above 0"),
        ('{"size": [8, 8], "calls": [["stop", [8, 8], 1, 1]]}', "step, decoder, preview"),
    ],
)
def test_costs_that_are_none_are_refused(tmp_path: Path, content: str | None, words: str):
    path = tmp_path / "costs.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidSetting, match=words):
        device_model(str(path))


def test_the_command_types_at_the_real_miniature_too(capsys):
    options = [
        "--users",
        "1",
        "--seconds",
        "2",
        "--threads",
        "1",
        "--num-inference-steps",
        "1",
        "2",
    ]
    assert main(["bench", "simulate", "--check", *options]) == 0
    (run,) = json.loads(capsys.readouterr().out.splitlines()[-1])["runs"]
    assert run["users"] == 1
    assert all(run[side]["first_paint_ms"]["p50"] > 0 for side in ("simulated", "measured"))


@pytest.mark.parametrize("option", [["--users", "0"], ["--gpus", "x"], ["--seconds", "-1"]])
def test_numbers_out_of_range_are_refused(capsys, option: list[str]):
    with pytest.raises(SystemExit):
        main(["bench", "simulate", *option])
    assert "must be a whole number from 1 to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "step", "cap"),
    [(1024, (24, 15), 2), (1024, (24, 24), 1), (1024, (22, 11), 4), (512, (10, 3), 8)],
)
def test_the_rule_for_sharing_on_known_curves(size: int, step: tuple[float, float], cap: int):
    assert linear("known", size, step, 9, 1).latency_model.cap("step", (size, size)) == cap
