"""Recording: one that fails leaves the device fit for the next. A stand-in for `torch.cuda`."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Iterator

import pytest

from lightning_demo.model.compile.cuda_graph import WARM_UPS, cuda_capture


class Stream:
    """Waits for nothing."""

    def wait_stream(self, other: Stream) -> None:
        pass


class Cuda:
    """What recording calls of `torch.cuda`; a pool in which one failed takes no other."""

    def __init__(self) -> None:
        self.main, self.now = Stream(), None
        self.pools, self.spoilt = 0, set()
        self.modes = []
        self.done: list[str] = []
        self.Stream, self.CUDAGraph = Stream, lambda: Graph(self)

    def graph_pool_handle(self) -> int:
        self.pools += 1
        return self.pools

    def current_stream(self) -> Stream:
        return self.now or self.main

    @contextlib.contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.now = self.now, stream
        try:
            yield
        finally:
            self.now = before

    def synchronize(self) -> None:
        pass

    def empty_cache(self) -> None:
        pass

    def forget_workspaces(self) -> None:
        self.done.append("forget")


class Graph:
    """A recording whose end fails when its body did something that cannot be recorded."""

    broken = False

    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda

    def capture_begin(self, pool: int, capture_error_mode: str) -> None:
        if pool in self.cuda.spoilt:
            raise RuntimeError("already recording to mempool_id")
        self.pool = pool
        self.cuda.modes.append(capture_error_mode)
        self.cuda.done.append("begin")

    def capture_end(self) -> None:
        self.cuda.done.append("end")
        if Graph.broken:
            self.cuda.spoilt.add(self.pool)
            raise RuntimeError("operation failed due to a previous error during capture")

    def replay(self) -> None:
        pass


@pytest.fixture
def cuda() -> Cuda:
    return Cuda()


def test_the_body_is_warmed_up_on_the_stream_that_records(cuda: Cuda):
    streams = []
    cuda_capture(cuda)(lambda: streams.append(cuda.current_stream()))
    assert len(streams) == WARM_UPS + 1
    assert len(set(streams)) == 1 and streams[0] is not cuda.main


def test_other_threads_may_pin_memory_meanwhile(cuda: Cuda):
    cuda_capture(cuda)(lambda: None)
    assert cuda.modes == ["thread_local"]


def test_no_workspace_outside_the_pool_is_recorded(cuda: Cuda):
    capture = cuda_capture(cuda)
    capture(lambda: cuda.done.append("body"))
    wanted = ["body"] * WARM_UPS + ["forget", "begin", "body", "end", "forget"]
    assert cuda.done == wanted


def test_after_one_that_fails_the_next_is_recorded(cuda: Cuda, monkeypatch: pytest.MonkeyPatch):
    capture = cuda_capture(cuda)
    capture(lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(Graph, "broken", True)
        with pytest.raises(RuntimeError, match="during capture"):
            capture(lambda: None)
    assert cuda.current_stream() is cuda.main, "pictures must not be painted on the side stream"
    assert capture(lambda: None) is not None


def test_one_that_failed_stays_for_the_allocator_that_goes_on_asking_it(
    cuda: Cuda, monkeypatch: pytest.MonkeyPatch
):
    """`capture_end` raises before it tells the allocator of page-locked memory of the end."""
    made: list[weakref.ref[Graph]] = []

    def graph() -> Graph:
        new = Graph(cuda)
        made.append(weakref.ref(new))
        return new

    cuda.CUDAGraph = graph
    capture = cuda_capture(cuda)
    monkeypatch.setattr(Graph, "broken", True)
    for _ in range(2):
        with contextlib.suppress(RuntimeError):
            capture(lambda: None)
    gc.collect()
    assert len(made) == 2 and all(each() is not None for each in made)


def test_a_body_that_fails_ends_its_recording(cuda: Cuda):
    calls = []

    def body() -> None:
        calls.append(1)
        if len(calls) > WARM_UPS:
            raise ValueError("no such kernel")

    capture = cuda_capture(cuda)
    with pytest.raises(ValueError, match="no such kernel"):
        capture(body)
    assert cuda.current_stream() is cuda.main
    assert capture(lambda: None) is not None
