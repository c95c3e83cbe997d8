"""The rules of a live session: single cases, then any typing at all against a fake clock."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lightning_demo.engine.policy import (
    BUSY_LINE,
    CROWD,
    FINAL_EVERY,
    SILENCE,
    Cancel,
    LivePolicy,
    Start,
    Submission,
    Wait,
)
from lightning_demo.schemas import GenerationRequest

REQUEST = GenerationRequest("a", "", 4, 0.0, 7, 256, 256)


def submission(sequence: int, steps: int = 4) -> Submission:
    return Submission(
        sequence, replace(REQUEST, prompt="a" * (sequence + 1), num_inference_steps=steps)
    )


def two_steps(request: GenerationRequest) -> GenerationRequest | None:
    """A draft policy that drafts whatever has more than two steps."""
    few = request.num_inference_steps <= 2
    return None if few else replace(request, num_inference_steps=2)


def policy(**settings: Any) -> LivePolicy:
    return LivePolicy(**{"max_stale": 0.3, "debounce": 0.0, **settings})


def test_an_idle_engine_gets_the_request_at_once():
    rules = policy(debounce=0.15)
    rules.submit(submission(1), now=0.0)
    assert rules.action(now=0.0, waiting=0) == Start(submission(1), submission(1).request)


def test_running_work_is_superseded():
    rules = policy()
    rules.submit(submission(1), 0.0)
    rules.action(0.0, 0)
    rules.submit(submission(2), 0.1)
    assert isinstance(rules.action(0.1, 0), Cancel)
    assert rules.action(0.1, 0) is None, "asked to stop only once"
    rules.ended(0.12)
    assert rules.action(0.12, 0).submission.sequence == 2


def test_in_a_crowd_what_has_begun_is_finished():
    for waiting in (CROWD - 1, CROWD):
        rules = policy()
        rules.submit(submission(1), 0.0)
        rules.action(0.0, 0)
        rules.submit(submission(2), 0.1)
        assert isinstance(rules.action(0.1, waiting), Cancel) == (waiting < CROWD)
    assert isinstance(rules.action(0.1, waiting, in_line=True), Cancel), "nothing is lost by that"
    on_enter = policy(submit_on_enter=True)
    on_enter.submit(submission(1), 0.0)
    on_enter.action(0.0, 0)
    on_enter.submit(submission(2), 0.1)
    assert isinstance(on_enter.action(0.1, CROWD), Cancel), "every request is meant"


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


def test_what_stands_in_line_is_always_replaced():
    rules = policy()
    rules.submit(submission(1), 0.0)
    rules.action(0.0, 8)
    rules.submit(submission(2), 5.0)
    assert rules.action(5.0, 8, in_line=False) is None, "a frame is long overdue"
    assert isinstance(rules.action(5.0, 8, in_line=True), Cancel)


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


def test_whoever_types_may_be_painted_a_draft_and_then_what_was_asked():
    rules = policy(draft=two_steps)
    rules.submit(submission(1, steps=8), 0.0)
    assert not rules.action(0.0, 0).draft, "one change is not typing"
    finish(rules, 0.0, 0.9)
    rules.submit(submission(2, steps=8), 0.95)
    draft = rules.action(0.95, 0)
    assert (draft.draft, draft.request.num_inference_steps) == (True, 2)
    finish(rules, 0.95, 0.2)
    request = submission(2, steps=8).request
    assert rules.action(1.15, 0) == Start(submission(2, steps=8), request, refines=True)
    finish(rules, 1.15, 0.9)
    assert rules.idle


def test_no_draft_where_the_draft_policy_wants_none_or_typing_has_paused():
    rules = policy(draft=two_steps)
    rules.submit(submission(1), 0.0)
    rules.action(0.0, 0)
    finish(rules, 0.0, 0.1)
    rules.submit(submission(2, steps=2), 0.2)
    assert not rules.action(0.2, 0).draft, "nothing is quicker"
    finish(rules, 0.2, 0.05)
    rules.submit(submission(3), 0.3)
    assert not rules.action(0.3 + SILENCE, 0).draft, "it came late, and no key since"


def test_a_key_during_the_refining_stops_it_at_once():
    rules = policy(draft=two_steps)
    rules.submit(submission(1, steps=8), 0.0)
    rules.action(0.0, 0)
    finish(rules, 0.0, 5.0)
    rules.submit(submission(2, steps=8), 5.1)
    rules.submit(submission(3, steps=8), 5.2)
    assert rules.action(5.2, 0).draft
    finish(rules, 5.2, 1.0)
    assert rules.action(6.2, 0).refines
    rules.submit(submission(4, steps=8), 9.0)
    assert isinstance(rules.action(9.0, 0), Cancel), "nobody waits for a picture shown in draft"


def test_refining_waits_for_the_next_key_while_others_wait():
    rules = policy(draft=two_steps, debounce=0.15)
    for now in (0.0, 0.1):
        rules.submit(submission(1), now)
    assert rules.action(0.1, 0).draft
    finish(rules, 0.1, 0.05)
    assert rules.action(0.15, BUSY_LINE) == Wait(pytest.approx(0.25)), "from the key on"
    rules.submit(submission(2), 0.2)
    assert isinstance(rules.action(0.2, 0), Start)


def test_a_draft_in_line_gives_its_place_to_the_picture_when_typing_pauses():
    rules = policy(draft=two_steps)
    for now in (0.0, 0.1):
        rules.submit(submission(1), now)
    assert rules.action(0.1, 3).draft
    assert rules.action(0.1, 3, in_line=True) == Wait(pytest.approx(0.1 + SILENCE))
    assert isinstance(rules.action(0.1 + SILENCE, 3, in_line=True), Cancel)
    assert rules.action(0.1 + SILENCE, 3, in_line=True) is None, "asked to stop only once"
    rules.ended(0.41)
    assert rules.action(0.41, 3) == Start(submission(1), submission(1).request)


def test_a_draft_that_is_being_painted_is_finished():
    rules = policy(draft=two_steps)
    for now in (0.0, 0.1):
        rules.submit(submission(1), now)
    assert rules.action(0.1, 3).draft
    assert rules.action(0.1 + SILENCE, 3, in_line=False) is None


def test_where_pages_submit_on_enter_every_request_is_meant():
    """Slow enough that elsewhere the first would be let finish and the second be drafted."""
    rules = policy(draft=two_steps, submit_on_enter=True)
    rules.submit(submission(0), 0.0)
    rules.action(0.0, 0)
    finish(rules, 0.0, 5.0)
    for sequence, now in ((1, 10.0), (2, 10.5)):
        rules.submit(submission(sequence), now)
        action = rules.action(now, 0)
        if sequence == 1:
            assert action == Start(submission(1), submission(1).request)
    assert isinstance(action, Cancel)
    rules.ended(10.6)
    assert rules.action(10.6, 0) == Start(submission(2), submission(2).request)


def test_what_a_page_plays_by_itself_is_never_drafted_and_gives_way_at_once():
    rules = policy(draft=two_steps)
    rules.submit(replace(submission(1), attract=True), 0.0)
    rules.submit(replace(submission(2), attract=True), 0.1)
    begun = rules.action(0.1, 0)
    assert isinstance(begun, Start) and not begun.draft
    # A finished picture is long due: one more that is played waits for it, a visitor does not.
    rules.submit(replace(submission(3), attract=True), 9.0)
    rules.frame(False, 9.0)
    rules._last_final = 0.0
    rules.submit(replace(submission(4), attract=True), 9.1)
    assert rules.action(9.1, 0) is None
    rules.submit(submission(5), 9.2)
    assert isinstance(rules.action(9.2, 0), Cancel)


def test_a_failed_draft_is_not_refined():
    rules = policy(draft=two_steps)
    for now in (0.0, 0.1):
        rules.submit(submission(2, steps=8), now)
    assert rules.action(0.1, 0).draft
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


def test_a_draft_that_was_painted_is_not_refined_once_it_is_forgotten():
    rules = policy(draft=two_steps)
    for now in (0.0, 0.1):
        rules.submit(submission(2, steps=8), now)
    assert rules.action(0.1, 0).draft
    rules.frame(False, 0.2)
    rules.forget()
    rules.ended(0.3)
    assert rules.idle


@dataclass(slots=True)
class Running:
    start: Start
    steps_left: int
    in_line: bool = True
    stopping: bool = False


class AnyTyping(RuleBasedStateMachine):
    """A session typed at in any way, on an engine that takes `step` seconds a step.

    Others who wait come first, each for a step; a request that replaces one in line takes its
    place.
    """

    @initialize(
        step=st.sampled_from([0.004, 0.02, 0.09, 0.25, 0.7]),
        debounce=st.sampled_from([0.0, 0.15]),
        budget=st.sampled_from([0.0, 0.1, 0.4]),
    )
    def begin(self, step: float, debounce: float, budget: float) -> None:
        self.step, self.debounce, self.budget = step, debounce, budget
        self.rules = policy(debounce=debounce, draft=self.draft)
        self.now = 0.0
        self.waiting = 0
        self.events: list[tuple[float, int, str]] = []
        self.order = itertools.count()
        self.running: Running | None = None
        self.place: float | None = None  # in line: when the work of whoever has it begins
        self.sequence = 0
        self.asked: dict[int, GenerationRequest] = {}
        self.painted: list[tuple[float, int, bool]] = []  # time, sequence, the answer itself
        self.hungry_since: float | None = None  # since when the user waits for any frame
        self.unfinished_since: float | None = None

    @rule(pause=st.floats(0.0, 0.4), steps=st.sampled_from([4, 4, 4, 8, 2]))
    def key(self, pause: float, steps: int) -> None:
        self.pass_time(self.now + pause)
        running = self.running
        drafted = running is not None and running.start.refines
        if self.rules.idle or (drafted and running.start.submission.sequence == self.sequence):
            self.hungry_since = self.unfinished_since = self.now
        self.sequence += 1
        asked = submission(self.sequence, steps)
        self.asked[self.sequence] = asked.request
        self.rules.submit(asked, self.now)
        self.act()

    @rule(pause=st.floats(0.05, 0.3), keys=st.integers(5, 20), steps=st.sampled_from([4, 8]))
    def burst(self, pause: float, keys: int, steps: int) -> None:
        for _ in range(keys):
            self.key(pause, steps)

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
        self.pass_time(self.now + 120)
        assert self.rules.idle, "the session comes to rest"
        assert self.painted[-1][1:] == (self.sequence, True), "the last word wins"

    def draft(self, request: GenerationRequest) -> GenerationRequest | None:
        asked = self.step * (request.num_inference_steps + 1 + self.waiting)
        return two_steps(request) if 0 < self.budget < asked else None

    def pass_time(self, until: float) -> None:
        while self.events and self.events[0][0] <= until:
            self.now, _, what = heapq.heappop(self.events)
            if what == "begin":
                self.begin_work()
            elif what == "step":
                self.one_step()
            self.act()
        self.now = until
        self.act()

    def begin_work(self) -> None:
        running = self.running
        if running is not None and running.in_line and self.now >= (self.place or 0.0) - 1e-9:
            running.in_line, self.place = False, None
            self.later("step", self.step)

    def one_step(self) -> None:
        running = self.running
        assert running is not None and not running.in_line
        running.steps_left -= 1
        if running.stopping:
            self.stop()
            return
        final = running.steps_left == 0
        start = running.start
        self.rules.frame(final, self.now)
        if start.shows(start.request.num_inference_steps - running.steps_left):
            self.painted.append((self.now, start.submission.sequence, final and not start.draft))
            self.fed(final)
        if final:
            self.stop()
        else:
            self.later("step", self.step)

    def stop(self) -> None:
        self.running = None
        self.rules.ended(self.now)

    def fed(self, final: bool) -> None:
        """No starvation: nothing new for no longer than the promise says."""
        picture = self.step * (8 + 6)  # the slowest that may be asked for, behind the longest line
        # A step to stop, a step to show, and a line that was not there when the pace was learned.
        slack = (2 + 6) * self.step + self.debounce
        assert self.hungry_since is not None and self.unfinished_since is not None
        assert self.now - self.hungry_since <= max(0.3, picture) + slack + 1e-9
        self.hungry_since = self.now
        if final:
            limit = max(FINAL_EVERY, 2 * picture) + picture + slack
            assert self.now - self.unfinished_since <= limit + 1e-9
            self.unfinished_since = self.now

    def act(self) -> None:
        while True:
            in_line = self.running is not None and self.running.in_line
            match self.rules.action(self.now, self.waiting, in_line):
                case Start() as start:
                    self.check(start)
                    self.running = Running(start, start.request.num_inference_steps)
                    if self.place is None:
                        self.place = self.now + self.waiting * self.step
                    self.later("begin", max(0.0, self.place - self.now))
                case Cancel():
                    assert self.running is not None
                    if not self.running.in_line:
                        self.running.stopping = True
                        return
                    self.stop()
                case Wait(until):
                    assert self.now < until <= self.now + max(self.debounce, SILENCE) + 1e-9
                    heapq.heappush(self.events, (until, next(self.order), "look"))
                    return
                case None:
                    return

    def check(self, start: Start) -> None:
        assert self.running is None, "one running request"
        assert not (start.draft and self.budget == 0), "a budget of 0 is off"
        if not start.draft:
            asked = self.asked[start.submission.sequence]
            assert start.request == asked, "what stays is exactly what was asked for"

    def later(self, what: str, delay: float) -> None:
        heapq.heappush(self.events, (self.now + delay, next(self.order), what))


TestAnyTyping = AnyTyping.TestCase
