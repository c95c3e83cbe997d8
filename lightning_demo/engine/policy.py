"""What a live session does next: the rules alone, without a clock, a task or an engine.

Every method takes the time as an argument, so the rules can be tested in no time at all. The rules:

* Latest wins: there is one running and one pending request; a new one replaces the pending one.
* Running work that is superseded stops, unless the user would then see nothing new for too long:
  no frame for `max_stale` seconds (or a picture's time, where that is longer), or no finished
  picture for `FINAL_EVERY` (or two pictures' time: otherwise a crowd could supersede nothing).
* In a crowd, with `CROWD` others waiting, what has begun is finished: whoever keeps typing would
  throw away steps that others have waited for, and see nothing but previews.
* What has not started is always replaced, and the new request takes its place in line: nobody
  waits longer for typing on, and nothing is painted that is out of date before it begins.
* While others keep the engine busy, a request may wait a little for the next keystroke
  (`debounce`: the more are waiting the longer, not at all when nobody is), so that half words are
  not painted.
* Somebody in the middle of typing may be painted a draft that comes within the latency budget
  (`draft_policy`). The picture that stays never is one: it comes right after the draft if no key
  does, or, while others keep the engine busy, after the same wait.
* A draft that is still in line when typing has paused gives its place to the asked picture.
* Where pages submit on Enter, every request is meant: the newest one supersedes, none is drafted.
* What a page plays by itself (`Submission.attract`) is never drafted, and a visitor's request
  supersedes it at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..schemas import GenerationRequest

FINAL_EVERY = 1.0  # seconds; a finished picture appears about this often while typing
BURST_GAP = 1.0  # seconds between two keystrokes that still count as typing
BUSY_LINE = 4  # waiting requests of others at which the full debounce applies
CROWD = 2  # waiting requests of others at which what has begun is finished
SILENCE = 0.3  # seconds without a key after which typing has paused
NEARER = 0.75  # of the steps after which a preview is nearer to the final than any draft
LEARNING = 0.3  # weight of the newest measurement in an estimate


@dataclass(frozen=True, slots=True)
class Submission:
    """What the user last asked for."""

    sequence: int
    request: GenerationRequest
    attract: bool = False  # no user has: the page plays by itself


@dataclass(frozen=True, slots=True)
class Start:
    """Give this request to the engine."""

    submission: Submission
    request: GenerationRequest
    draft: bool = False  # its final is not yet the answer
    refines: bool = False  # a draft of it has been painted

    def shows(self, step: int) -> bool:
        """Whether the frame after this many steps is better than what is already seen.

        After a draft the first previews of the asked picture are a step back: they are further
        from the final than the draft is (`bench refine`).
        """
        return not self.refines or step >= NEARER * self.request.num_inference_steps


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the running request."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again at this time, or when something happens before."""

    until: float


Action = Start | Cancel | Wait | None


@dataclass(frozen=True, slots=True)
class _Pending:
    submission: Submission
    since: float  # that it may be held back for the next key
    settled: bool = False  # to be painted as it was asked, not drafted
    refines: bool = False  # a draft of it has been painted


@dataclass(slots=True)
class _Turn:
    start: Start
    since: float
    painted: bool = False
    cancelled: bool = False


@dataclass(slots=True)
class _Pace:
    """How long pictures of one step count have taken of late, seconds."""

    first: float = 0.0
    final: float = 0.0


class LivePolicy:
    """The state of one live session and the rules that move it."""

    def __init__(
        self,
        *,
        max_stale: float,
        debounce: float,
        draft: Callable[[GenerationRequest], GenerationRequest | None] = lambda request: None,
        submit_on_enter: bool = False,
    ) -> None:
        """
        Args:
            max_stale, debounce: seconds; 0 switches the last one off.
            draft: what to paint first for a request of somebody who is typing, or None.
            submit_on_enter: requests come on Enter or after a pause, not with each keystroke.
        """
        self._max_stale = max_stale
        self._debounce = debounce
        self._draft = draft
        self._submit_on_enter = submit_on_enter
        self._turn: _Turn | None = None
        self._pending: _Pending | None = None
        self._in_line = False  # what is pending takes the place of a request that stood in line
        self._submitted = -BURST_GAP
        self._typing = False
        self._last_frame = 0.0
        self._last_final = 0.0
        self._paces: dict[int, _Pace] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing is pending."""
        return self._turn is None and self._pending is None

    def submit(self, submission: Submission, now: float) -> None:
        """The user asks for something new."""
        turn, pending = self._turn, self._pending
        if pending is None and (turn is None or turn.start.refines):
            # Everything asked for so far has been shown, if only as a draft.
            self._last_frame = self._last_final = now
        self._typing = now - self._submitted < BURST_GAP
        self._submitted = now
        since = now if pending is None or pending.settled else pending.since
        self._pending = _Pending(submission, since)

    def forget(self) -> None:
        """The user wants nothing any more; what runs is to stop."""
        self._pending = None
        self._in_line = False
        if self._turn is not None:
            self._turn.cancelled = True

    def frame(self, final: bool, now: float) -> None:
        """The running request has produced a frame."""
        turn = self._turn
        if turn is None:
            return
        pace = self._pace(turn.start.request)
        if not turn.painted:
            turn.painted = True
            pace.first = _blend(pace.first, now - turn.since)
        self._last_frame = now
        if final:
            pace.final = _blend(pace.final, now - turn.since)
            self._last_final = now

    def ended(self, now: float) -> None:
        """The running request has finished, failed or stopped."""
        turn, self._turn = self._turn, None
        if turn is None or turn.cancelled or self._pending is not None:
            return
        if turn.start.draft and turn.painted:
            self._pending = self._as_asked(turn, refines=True)

    def action(self, now: float, waiting: int, in_line: bool = False) -> Action:
        """What to do now.

        Args:
            waiting: requests of others that stand in the engine's line.
            in_line: whether the running request is one of them.
        """
        if self._turn is not None:
            return self._replace(self._turn, now, waiting, in_line)
        pending = self._pending
        if pending is None:
            return None
        # A request that replaces one in line takes its place at once: holding it gains nothing.
        hold = 0.0 if self._in_line else self._debounce * min(1.0, waiting / BUSY_LINE)
        begin = pending.since + hold
        return Wait(begin) if now < begin else self._begin(pending, now)

    def _replace(self, turn: _Turn, now: float, waiting: int, in_line: bool) -> Action:
        """Whether what runs is to stop, and when to ask again."""
        if turn.cancelled:
            return None
        if self._pending is None:
            if not turn.start.draft or turn.painted:
                return None
            paused = self._submitted + SILENCE
            if now < paused:
                return Wait(paused)
            if not in_line:
                return None
            self._pending = self._as_asked(turn)
        elif not (in_line or self._may_supersede(turn, self._pending, now, waiting)):
            return None
        turn.cancelled = True
        self._in_line = in_line
        return Cancel()

    def _as_asked(self, turn: _Turn, refines: bool = False) -> _Pending:
        return _Pending(turn.start.submission, self._submitted, True, refines)

    def _begin(self, pending: _Pending, now: float) -> Start:
        asked = pending.submission.request
        typing = self._typing and now - self._submitted < SILENCE
        draft = None
        played = pending.submission.attract
        if typing and not (pending.settled or played or self._submit_on_enter):
            draft = self._draft(asked)
        start = Start(pending.submission, draft or asked, draft is not None, pending.refines)
        self._pending, self._in_line = None, False
        self._turn = _Turn(start, now)
        return start

    def _may_supersede(self, turn: _Turn, pending: _Pending, now: float, waiting: int) -> bool:
        """Whether a replacement started now would show itself before anything is overdue."""
        played = turn.start.submission.attract and not pending.submission.attract
        if self._submit_on_enter or turn.start.refines or played:
            return True
        if waiting >= CROWD:
            return False
        pace = self._pace(pending.submission.request)
        stale = max(self._max_stale, pace.final)
        frame_in_time = now + pace.first <= self._last_frame + stale
        finished = max(FINAL_EVERY, 2 * pace.final)
        final_in_time = now + pace.final <= self._last_final + finished
        return frame_in_time and final_in_time

    def _pace(self, request: GenerationRequest) -> _Pace:
        return self._paces.setdefault(request.num_inference_steps, _Pace())


def _blend(estimate: float, measured: float) -> float:
    return measured if estimate == 0 else estimate + LEARNING * (measured - estimate)
