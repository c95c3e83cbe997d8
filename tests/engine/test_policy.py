"""The rules of a live session: single cases, then any typing at all against a fake clock."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, replace

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lightning_demo.engine.policy import (
    BUSY_LINE,
    FINAL_EVERY,
    Cancel,
    LivePolicy,
    Start,
    Submission,
    Wait,
)
from lightning_demo.schemas import GenerationRequest

REQUEST = GenerationRequest("a", "", 4, 0.0, 7, 128, 128)


def submission(sequence: int, steps: int = 4) -> Submission:
    return Submission(
        sequence, replace(REQUEST, prompt="a" * (sequence + 1), num_inference_steps=steps)
    )


def policy(**settings: float) -> LivePolicy:
    values = {"max_stale": 0.3, "debounce": 0.0, "draft_above": 0.0, **settings}
    return LivePolicy(**values, draft_steps=lambda steps: 2 if steps > 2 else None)  # type: ignore[arg-type]


def test_an_idle_engine_gets_the_request_at_once():
    rules = policy(debounce=0.15)
    rules.submit(submission(1), now=0.0)
    assert rules.action(now=0.0, waiting=0) == Start(
        submission(1), submission(1).request, draft=False
    )


def test_running_work_is_superseded():
    rules = policy()
    rules.submit(submission(1), 0.0)
    rules.action(0.0, 0)
    rules.submit(submission(2), 0.1)
    assert isinstance(rules.action(0.1, 0), Cancel)
    assert rules.action(0.1, 0) is None, "asked to stop only once"
    rules.ended(0.12)
    assert rules.action(0.12, 0).submission.sequence == 2


def test_pending_work_that_is_superseded_never_starts():
    rules = policy()
    rules.submit(submission(1), 0.0)
    rules.action(0.0, 0)
    for sequence in (2, 3, 4):
        rules.submit(submission(sequence), 0.01 * sequence)
    rules.action(0.05, 0)
    rules.ended(0.06)
    assert rules.action(0.06, 0).submission.sequence == 4


def test_a_replacement_must_be_able_to_show_itself_before_max_stale():
    rules = policy()
    rules.submit(submission(1), 0.0)
    rules.action(0.0, 0)
    rules.frame(final=False, now=0.2)  # a first frame takes 200 ms
    rules.frame(final=True, now=0.25)
    rules.ended(0.25)
    rules.submit(submission(2), 1.0)
    rules.action(1.0, 0)
    rules.submit(submission(3), 1.05)
    assert isinstance(rules.action(1.05, 0), Cancel)
    rules.ended(1.05)
    rules.action(1.05, 0)
    rules.submit(submission(4), 1.15)
    assert rules.action(1.15, 0) is None, "1.15 + 0.2 would be later than 1.0 + 0.3"
    rules.frame(final=False, now=1.2)
    assert isinstance(rules.action(1.2, 0), Cancel), "one frame was owed, and has come"


def test_somebody_typing_on_and_on_gets_a_finished_picture_every_second():
    rules = policy()
    rules.submit(submission(1), 0.0)
    rules.action(0.0, 0)
    for tick in range(1, 10):
        rules.frame(final=False, now=tick / 10)
    rules.submit(submission(2), FINAL_EVERY + 0.05)
    rules.frame(final=False, now=FINAL_EVERY + 0.06)
    assert rules.action(FINAL_EVERY + 0.06, 0) is None


@pytest.mark.parametrize(("waiting", "share"), [(0, 0), (1, 1 / BUSY_LINE), (4, 1), (400, 1)])
def test_the_debounce_grows_with_the_line_and_is_bounded(waiting: int, share: float):
    rules = policy(debounce=0.15)
    rules.submit(submission(1), 0.0)
    action = rules.action(0.0, waiting)
    if share == 0:
        assert isinstance(action, Start)
        return
    assert action == Wait(pytest.approx(0.15 * share))
    rules.submit(submission(2), 0.15 * share - 0.001)
    assert isinstance(rules.action(0.15 * share, waiting), Start), "keys do not prolong it"


def test_debounce_zero_is_off():
    rules = policy(debounce=0.0)
    rules.submit(submission(1), 0.0)
    assert isinstance(rules.action(0.0, 400), Start)


def finish(rules: LivePolicy, start: float, seconds: float) -> None:
    rules.frame(final=False, now=start + seconds / 2)
    rules.frame(final=True, now=start + seconds)
    rules.ended(start + seconds)


def test_slow_pictures_are_drafted_while_typing_and_then_refined():
    rules = policy(draft_above=0.4)
    rules.submit(submission(1, steps=8), 0.0)
    assert not rules.action(0.0, 0).draft, "nothing is known to be slow yet"
    finish(rules, 0.0, 0.9)
    rules.submit(submission(2, steps=8), 0.95)
    draft = rules.action(0.95, 0)
    assert (draft.draft, draft.request.num_inference_steps) == (True, 2)
    finish(rules, 0.95, 0.2)
    refine = rules.action(1.15, 0)
    assert (refine.draft, refine.request) == (False, submission(2, steps=8).request)
    finish(rules, 1.15, 0.9)
    assert rules.idle


def test_no_draft_for_a_single_change_or_a_fast_picture():
    rules = policy(draft_above=0.4)
    rules.submit(submission(1, steps=8), 0.0)
    rules.action(0.0, 0)
    finish(rules, 0.0, 0.9)
    rules.submit(submission(2, steps=8), 5.0)
    assert not rules.action(5.0, 0).draft, "not typing"
    finish(rules, 5.0, 0.9)
    rules.submit(submission(3, steps=4), 6.0)
    assert not rules.action(6.0, 0).draft, "4 steps were never slow"


def test_a_patient_page_means_every_request():
    """Slow enough that elsewhere the first would be let finish and the second be drafted."""
    rules = policy(draft_above=0.4, patient=True)
    rules.submit(submission(0), 0.0)
    rules.action(0.0, 0)
    finish(rules, 0.0, 5.0)
    for sequence, now in ((1, 10.0), (2, 10.5)):
        rules.submit(submission(sequence), now)
        action = rules.action(now, 0)
        if sequence == 1:
            assert action == Start(submission(1), submission(1).request, draft=False)
    assert isinstance(action, Cancel)
    rules.ended(10.6)
    assert rules.action(10.6, 0) == Start(submission(2), submission(2).request, draft=False)


def test_a_failed_draft_is_not_refined():
    rules = policy(draft_above=0.4)
    rules.submit(submission(1, steps=8), 0.0)
    rules.action(0.0, 0)
    finish(rules, 0.0, 0.9)
    rules.submit(submission(2, steps=8), 0.95)
    assert rules.action(0.95, 0).draft
    rules.ended(1.0)
    assert rules.idle


def test_forgetting_leaves_nothing():
    rules = policy()
    rules.submit(submission(1), 0.0)
    rules.action(0.0, 0)
    rules.submit(submission(2), 0.1)
    rules.forget()
    rules.ended(0.2)
    assert rules.idle
    assert rules.action(0.2, 0) is None


@dataclass(slots=True)
class Running:
    start: Start
    steps_left: int
    stopping: bool = False


class AnyTyping(RuleBasedStateMachine):
    """A session typed at in any way, on an engine that takes `step` seconds a step."""

    @initialize(
        step=st.sampled_from([0.004, 0.02, 0.09, 0.25, 0.7]),
        debounce=st.sampled_from([0.0, 0.15]),
        draft_above=st.sampled_from([0.0, 0.4]),
    )
    def begin(self, step: float, debounce: float, draft_above: float) -> None:
        self.step, self.debounce = step, debounce
        self.rules = policy(debounce=debounce, draft_above=draft_above)
        self.now = 0.0
        self.waiting = 0
        self.events: list[tuple[float, int, str]] = []
        self.order = itertools.count()
        self.running: Running | None = None
        self.sequence = 0
        self.painted: list[tuple[float, int, bool]] = []  # time, sequence, the answer itself
        self.hungry_since: float | None = None  # since when the user waits for any frame
        self.unfinished_since: float | None = None

    @rule(pause=st.floats(0.0, 0.4), steps=st.sampled_from([4, 4, 4, 8, 2]))
    def key(self, pause: float, steps: int) -> None:
        self.pass_time(self.now + pause)
        if self.rules.idle:
            self.hungry_since = self.unfinished_since = self.now
        self.sequence += 1
        self.rules.submit(submission(self.sequence, steps), self.now)
        self.act()

    @rule(pause=st.floats(0.05, 0.3), keys=st.integers(5, 20))
    def burst(self, pause: float, keys: int) -> None:
        for _ in range(keys):
            self.key(pause, 4)

    @rule(pause=st.floats(0.0, 3.0))
    def rest(self, pause: float) -> None:
        self.pass_time(self.now + pause)

    @rule(waiting=st.integers(0, 6))
    def others(self, waiting: int) -> None:
        self.waiting = waiting

    @invariant()
    def never_backwards(self) -> None:
        sequences = [sequence for _, sequence, _ in getattr(self, "painted", [])]
        assert sequences == sorted(sequences)

    def teardown(self) -> None:
        if not hasattr(self, "rules") or not self.sequence:
            return
        self.pass_time(self.now + 60)
        assert self.rules.idle, "the session comes to rest"
        assert self.painted[-1][1:] == (self.sequence, True), "the last word wins"

    def pass_time(self, until: float) -> None:
        while self.events and self.events[0][0] <= until:
            self.now, _, what = heapq.heappop(self.events)
            if what == "step":
                self.one_step()
            self.act()
        self.now = until
        self.act()

    def one_step(self) -> None:
        running = self.running
        assert running is not None
        running.steps_left -= 1
        if running.stopping:
            self.running = None
            self.rules.ended(self.now)
            return
        final = running.steps_left == 0
        start = running.start
        self.rules.frame(final, self.now)
        self.painted.append((self.now, start.submission.sequence, final and not start.draft))
        self.fed(final, start.request.num_inference_steps)
        if final:
            self.running = None
            self.rules.ended(self.now)
        else:
            self.later("step", self.step)

    def fed(self, final: bool, steps: int) -> None:
        """No starvation: nothing new for no longer than the promise says."""
        picture = self.step * 8  # the slowest that may be asked for
        slack = 2 * self.step + self.debounce  # a step to stop, a step to show
        assert self.hungry_since is not None and self.unfinished_since is not None
        assert self.now - self.hungry_since <= max(0.3, picture) + slack + 1e-9
        self.hungry_since = self.now
        if final:
            limit = max(FINAL_EVERY, picture) + picture + slack
            assert self.now - self.unfinished_since <= limit + 1e-9
            self.unfinished_since = self.now

    def act(self) -> None:
        while True:
            action = self.rules.action(self.now, self.waiting)
            match action:
                case Start():
                    assert self.running is None, "one running request"
                    self.running = Running(action, action.request.num_inference_steps)
                    self.later("step", self.step)
                case Cancel():
                    assert self.running is not None
                    self.running.stopping = True
                    return
                case Wait(until):
                    assert until - self.now <= self.debounce + 1e-9, "a bounded wait"
                    heapq.heappush(self.events, (until, next(self.order), "look"))
                    return
                case None:
                    return

    def later(self, what: str, delay: float) -> None:
        heapq.heappush(self.events, (self.now + delay, next(self.order), what))


TestAnyTyping = AnyTyping.TestCase
