"""What is compiled is what serving uses, nothing is compiled there, and pictures stay the same.

Programs are exported and loaded as ever and computed by torch's own kernels: `test_programs` has
the real compiler, which takes minutes. CUDA graphs are recorded by a stand-in that replays the
function on the graph's own buffers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from lightning_demo.bench.bench_model import load_bench_model
from lightning_demo.model.compile.compile_plan import compile_plan
from lightning_demo.model.compile.compiled_functions import CompiledFunctions
from lightning_demo.model.compile.cuda_graph import Capture, CudaGraph
from lightning_demo.model.compile.programs import Programs
from lightning_demo.model.compile.speed import Speed
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import ROW_BUCKETS

from ...quick import STEPS, random_unets

COMPILED = Speed(compile=True, compile_backend="eager")
RECORDED = Speed(cuda_graphs=True)
KINDS = ((256, 0.0), (256, 2.0), (384, 0.0), (384, 2.0))  # width and guidance


@cache
def narrow_decoder() -> AutoencoderTiny:
    """One with random weights that gives pictures of the miniature's sizes."""
    torch.manual_seed(0)
    vae = AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 5,
        num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 5,
        latent_channels=4,
    )
    return vae.eval().requires_grad_(False)


def with_unets(components: Any, capacity: int, *, several: bool = True) -> Any:
    """Two sizes; and calls of several people's rows or, what is done sooner, none."""
    family = replace(MINIATURE, sizes=MINIATURE.sizes[:2])
    unets = random_unets(capacity)
    plan = replace(components.memory_plan, text_encoders_stay=several)
    decoders = {"vae": narrow_decoder(), "preview_vae": narrow_decoder()}
    return replace(components, spec=family, unets=unets, memory_plan=plan, **decoders)


@pytest.fixture
def one(components: Any) -> Any:
    """One live UNet, overwritten in place for each step count; two sizes."""
    return with_unets(components, 1)


@pytest.fixture
def alone(components: Any) -> Any:
    """The same, on a device that has no room for calls of several people."""
    return with_unets(components, 1, several=False)


@pytest.fixture
def four(components: Any) -> Any:
    """The same UNets, each with a place of its own."""
    return with_unets(components, 4)


class Watched(CompiledFunctions):
    """Notes the rows of every call."""

    def __init__(
        self, speed: Speed, capture: Capture | None = None, programs: Programs | None = None
    ) -> None:
        super().__init__(speed, capture, programs)
        self.met: list[int] = []

    def call(self, kind: Any, function: Any, module: Any, *tensors: torch.Tensor) -> Any:
        self.met.append(len(tensors[0]))
        return super().call(kind, function, module, *tensors)


class CountedPrograms(Programs):
    """Counts what it is asked for."""

    asked = 0

    def bind(self, *arguments: Any, **options: Any) -> Any:
        self.asked += 1
        return super().bind(*arguments, **options)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> CountedPrograms:
    """What any test of this file has compiled."""
    return CountedPrograms(tmp_path_factory.mktemp("programs"), COMPILED, make=True)


@pytest.fixture(scope="module")
def functions(programs: CountedPrograms) -> Watched:
    return Watched(COMPILED, programs=programs)


@pytest.fixture(scope="module")
def compiled(components: Any, functions: Watched) -> tuple[Sampler, list[str]]:
    """A sampler with one live UNet that has compiled all, and its tiers on the way."""
    parts = with_unets(components, 1, several=False)
    sampler = Sampler(parts, COMPILED, functions=functions)
    sampler.improvement.sizes_in_use |= set(sampler.spec.sizes)
    return sampler, compile_all(sampler)


def paint(sampler: Sampler, request: Any) -> np.ndarray:
    row = sampler.begin(request)
    while not row.done:
        sampler.step([row])
    return sampler.finish(row)


def compile_all(sampler: Sampler) -> list[str]:
    tiers = [sampler.tier]
    while sampler.improve():
        tiers.append(sampler.tier)
    return tiers


@pytest.fixture
def requests(ask: Any) -> list[Any]:
    return [
        ask("a red house", num_inference_steps=steps, width=width, guidance_scale=guidance)
        for steps, width, guidance in (
            *((steps, width, guidance) for steps in (1, 2) for width, guidance in KINDS),
            (4, 256, 0.0),
            (4, 384, 2.0),
            (8, 384, 0.0),
        )
    ]


def test_all_is_compiled_in_order(compiled: tuple[Sampler, list[str]]):
    """All calls at the native size, then those at the other."""
    assert list(dict.fromkeys(compiled[1])) == [
        "eager",
        "eager, getting faster",
        "compiled, getting faster",
        "compiled",
    ]


def test_compiled_pictures_are_the_eager_ones(
    compiled: tuple[Sampler, list[str]], four: Any, requests: list[Any]
):
    eager = Sampler(four)
    for request in requests:
        difference = paint(compiled[0], request).astype(int) - paint(eager, request)
        assert np.abs(difference).max() <= 1, request


def test_nothing_is_compiled_after_the_plan(
    compiled: tuple[Sampler, list[str]], programs: CountedPrograms, four: Any, ask: Any
):
    """Over step counts (weights overwritten in place), seeds, prompts, guidance and sizes."""
    eager, before = Sampler(four), programs.asked
    assert before > 0
    for number, steps in enumerate((2, 8, 1, 4, 2)):
        for width, guidance in ((256, 1.0), (256, 5.5), (384, 0.0), (384, 2.0)):
            request = ask(
                f"a cat {number}",
                num_inference_steps=steps,
                seed=number,
                guidance_scale=guidance,
                width=width,
                negative_prompt="snow" if number % 2 else "",
            )
            difference = paint(compiled[0], request).astype(int) - paint(eager, request)
            assert np.abs(difference).max() <= 1, request
    assert programs.asked == before


def compiling(components: Any, programs: Programs, **options: Any) -> Sampler:
    functions = CompiledFunctions(COMPILED, programs=programs)
    return Sampler(components, COMPILED, functions=functions, **options)


def test_sizes_that_nobody_uses_stay_eager(
    alone: Any, four: Any, ask: Any, programs: CountedPrograms
):
    sampler = compiling(alone, programs)
    while sampler.improvement.tasks_left:
        sampler.improve()
    before = programs.asked
    request = ask("a cat", width=384)
    assert np.array_equal(paint(sampler, request), paint(Sampler(four), request))
    assert programs.asked == before and sampler.tier == "compiled"
    sampler.prepare([request])
    assert sampler.improvement.tasks_left == 2, "now it is asked for"


def test_another_resident_unet_takes_the_same_program(
    components: Any, four: Any, ask: Any, programs: CountedPrograms
):
    two = with_unets(components, 4, several=False)
    two.unets.fetch_ahead = lambda: False
    for steps in (2, 4):
        two.unets.get(steps)
    sampler = compiling(two, programs)
    assert compile_all(sampler)[-1] == "compiled"
    eager, before = Sampler(four), programs.asked
    for steps in (2, 4):
        request = ask("a cat", num_inference_steps=steps)
        difference = paint(sampler, request).astype(int) - paint(eager, request)
        assert np.abs(difference).max() <= 1, steps
    assert programs.asked == before


@pytest.mark.parametrize(("answer", "tier"), [(False, "eager, getting faster"), (None, "eager")])
def test_what_no_other_process_has_compiled_is_not_asked_for(
    one: Any, answer: bool | None, tier: str, programs: CountedPrograms
):
    for steps in STEPS:
        one.unets.get(steps)
    while one.unets.fetch_ahead():
        pass
    sampler = compiling(one, programs, may_compile=lambda size, start: answer)
    before = programs.asked
    assert not any(sampler.improve() for _ in range(3))
    assert programs.asked == before
    assert (sampler.tier, sampler.has_more) == (tier, answer is False)


def test_a_server_makes_no_programs(one: Any, four: Any, ask: Any, tmp_path: Path):
    """Not even where another process says that they are there: that would take minutes."""
    sampler = compiling(one, Programs(tmp_path, COMPILED))
    assert compile_all(sampler)[-1] == "eager", "and does not say that it has any"
    assert sampler.improvement.failures and not list(tmp_path.iterdir())
    assert np.array_equal(paint(sampler, ask()), paint(Sampler(four), ask()))


class TightPrograms(Programs):
    """Compiled code says that the memory is full by an error of no special kind."""

    def bind(
        self, kind: str, function: Any, module: Any, *tensors: torch.Tensor, **options: Any
    ) -> Any:
        if len(tensors[0]) >= 2:
            raise RuntimeError("run_func_(...) API call failed: CUDA out of memory.")
        return super().bind(kind, function, module, *tensors, **options)


def test_shapes_that_do_not_fit_the_memory_leave_the_others_compiled(
    one: Any, programs: CountedPrograms
):
    tight = TightPrograms(programs.folder, COMPILED, make=True)
    sampler = compiling(one, tight)
    assert compile_all(sampler)[-1] == "compiled"
    assert not sampler.improvement.failures, "nobody waits for more people to come"


class NoCompiler(Programs):
    """A compiler that is missing."""

    tried = 0

    def bind(self, *arguments: Any, **options: Any) -> Any:
        self.tried += 1
        raise ValueError("no compiler for this machine")


@pytest.fixture
def no_compiler(tmp_path: Path) -> NoCompiler:
    return NoCompiler(tmp_path, COMPILED)


def test_a_compiler_that_fails_leaves_things_as_they_were(
    one: Any, four: Any, ask: Any, no_compiler: NoCompiler
):
    sampler = compiling(one, no_compiler)
    assert compile_all(sampler)[-1] == "eager", "nothing is left to do"
    assert sampler.improvement.failures
    assert no_compiler.tried == 1, "each task would have failed anew"
    assert np.array_equal(paint(sampler, ask()), paint(Sampler(four), ask()))


def test_without_a_compiler_steps_are_recorded_as_they_are(
    one: Any, four: Any, ask: Any, no_compiler: NoCompiler
):
    speed, recorder = replace(COMPILED, cuda_graphs=True), Recorder()
    functions = CompiledFunctions(speed, recorder, no_compiler)
    sampler = Sampler(one, speed, functions=functions)
    tiers = compile_all(sampler)
    assert list(dict.fromkeys(tiers)) == [
        "eager",
        "eager, getting faster",
        "recorded, getting faster",
        "recorded",
    ]
    assert np.array_equal(paint(sampler, ask()), paint(Sampler(four), ask()))
    assert recorder.replayed


class Recorder:
    """In the place of CUDA's recording: keeps the body and counts its replays."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, body: Callable[[], None]) -> Callable[[], None]:
        self.recorded += 1
        body()

        def replay() -> None:
            self.replayed += 1
            body()

        return replay


def recording(components: Any) -> tuple[Sampler, Recorder]:
    recorder = Recorder()
    functions = CompiledFunctions(RECORDED, recorder)
    sampler = Sampler(components, RECORDED, functions=functions)
    sampler.improvement.sizes_in_use |= set(sampler.spec.sizes)
    return sampler, recorder


def test_recorded_steps_paint_the_same_bit_for_bit(four: Any, requests: list[Any]):
    sampler, recorder = recording(four)
    compile_all(sampler)
    eager = Sampler(four)
    for request in requests:
        assert np.array_equal(paint(sampler, request), paint(eager, request))
    recorded = recorder.recorded
    for request in requests:
        paint(sampler, request)
    assert recorder.recorded == recorded, "each shape of each UNet is recorded once"
    assert recorder.replayed > recorded


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_all_of_a_picture_is_replayed(layout: torch.memory_format):
    """Recordings are for strides, too: one step must leave what the next was recorded for."""
    made, recorder = load_bench_model("tiny", "cpu", layout), Recorder()
    for vae in (made.components.vae, made.components.preview_vae):
        vae.to(memory_format=layout)
    made.components.unets.get(4)
    sampler = Sampler(made.components, RECORDED, functions=CompiledFunctions(RECORDED, recorder))
    compile_all(sampler)
    row, replayed = sampler.begin(made.request(4)), []
    calls = [*[partial(sampler.step, [row])] * 4, lambda: sampler.preview(row)]
    for call in (*calls, lambda: sampler.finish(row)):
        before = recorder.replayed
        call()
        replayed.append(recorder.replayed - before)
    assert replayed == [1] * 6


def test_with_one_live_unet_a_recording_serves_every_step_count(one: Any, ask: Any):
    sampler, recorder = recording(one)
    compile_all(sampler)
    paint(sampler, ask())
    recorded = recorder.recorded
    for steps in STEPS:
        paint(sampler, ask(num_inference_steps=steps))
    assert recorder.recorded == recorded


def test_every_unet_is_recorded_before_anybody_asks_for_it(four: Any, ask: Any):
    sampler, recorder = recording(four)
    for steps in STEPS:
        four.unets.get(steps)
    compile_all(sampler)
    recorded = recorder.recorded
    for steps in STEPS:
        for width in (256, 384):
            paint(sampler, ask(num_inference_steps=steps, width=width))
    assert recorder.recorded == recorded


def test_a_unet_that_comes_later_is_recorded_too(four: Any, ask: Any):
    sampler, recorder = recording(four)
    four.unets.fetch_ahead = lambda: False  # type: ignore[method-assign]
    four.unets.get(4)
    assert compile_all(sampler)[-1] == "recorded"
    paint(sampler, ask(num_inference_steps=2))  # by eager calls, and its UNet is there now
    compile_all(sampler)
    recorded = recorder.recorded
    paint(sampler, ask(num_inference_steps=2))
    assert recorder.recorded == recorded


def test_what_cannot_be_recorded_is_computed_as_before(components: Any, ask: Any):
    def refuse(body: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing")

    functions = CompiledFunctions(RECORDED, refuse)
    sampler = Sampler(components, RECORDED, functions=functions)
    assert compile_all(sampler)[-1] == "eager", "and nobody is told otherwise"
    assert np.array_equal(paint(sampler, ask()), paint(Sampler(components), ask()))


def test_a_size_that_somebody_asks_for_is_recorded(one: Any, ask: Any):
    recorder = Recorder()
    sampler = Sampler(one, RECORDED, functions=CompiledFunctions(RECORDED, recorder))
    compile_all(sampler)
    recorded, wide = recorder.recorded, ask(width=384)
    sampler.prepare([wide])
    paint(sampler, wide)
    assert recorder.recorded == recorded, "serving records nothing"
    compile_all(sampler)
    recorded, replayed = recorder.recorded, recorder.replayed
    paint(sampler, wide)
    assert recorder.recorded == recorded and recorder.replayed > replayed


def test_shapes_that_do_not_fit_the_memory_leave_the_others_recorded(one: Any, ask: Any):
    recorder = Recorder()

    def tight(body: Callable[[], None]) -> Callable[[], None]:
        if functions.met[-1] >= 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return recorder(body)

    functions = Watched(RECORDED, tight)
    sampler = Sampler(one, RECORDED, functions=functions)
    compile_all(sampler)
    sampler.finish(sampler.begin(ask()))
    replayed = recorder.replayed
    for rows in (4, 1):
        batch = [sampler.begin(ask()) for _ in range(rows)]
        sampler.step(batch)
    assert recorder.replayed == replayed + 1, "of one row; four are computed eagerly"


def test_a_memory_that_was_full_for_a_moment_is_tried_again(components: Any):
    """All is recorded in the end; a memory that stays full is not tried for ever."""
    recorded = []
    for failures in (0, 1, 10**6):
        recorder, left = Recorder(), [failures]

        def capture(
            body: Callable[[], None], recorder: Recorder = recorder, left: list[int] = left
        ) -> Callable[[], None]:
            left[0] -= 1
            if left[0] >= 0:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return recorder(body)

        functions = CompiledFunctions(RECORDED, capture)
        compile_all(Sampler(with_unets(components, 1), RECORDED, functions=functions))
        recorded.append(recorder.recorded)
    assert recorded[0] == recorded[1] > 0 == recorded[2]


def test_a_decoder_on_a_stream_of_its_own_shares_neither_buffers_nor_memory(
    components: Any, monkeypatch: pytest.MonkeyPatch
):
    """Two graphs that share either would spoil each other's pictures when both replay."""
    latents = torch.zeros(1, 4, 8, 8)
    for beside in (False, True):
        recorders = [Recorder(), Recorder()]
        given = iter(recorders)
        monkeypatch.setattr(
            "lightning_demo.model.compile.compiled_functions.cuda_capture", lambda g=given: next(g)
        )
        places: list[int] = []

        def place(vae: Any, inputs: torch.Tensor, places: list[int] = places) -> torch.Tensor:
            places.append(inputs.data_ptr())
            return inputs

        functions = CompiledFunctions(RECORDED)
        functions.apart = frozenset({"decoder"} if beside else ())
        with functions.recording("preview", "decoder"):
            for kind in ("preview", "decoder"):
                functions.call(kind, place, components.vae, latents)
        recorded = [recorder.recorded for recorder in recorders]
        assert recorded == ([1, 1] if beside else [2, 0])
        assert len(set(places)) == (2 if beside else 1)


def test_small_devices_record_no_calls_of_several_people():
    sizes = MINIATURE.sizes
    every, few = (compile_plan(sizes, RECORDED, several=several) for several in (True, False))
    assert {task.rows for task in every} == set(ROW_BUCKETS) and {t.rows for t in few} == {1}


def test_a_decoder_in_tiles_is_recorded_and_not_compiled():
    plan = compile_plan(MINIATURE.sizes, replace(COMPILED, cuda_graphs=True), tiled=True)
    kinds: dict[str, set[str]] = {"recorded": set(), "compiled": set()}
    for task in plan:
        kinds[task.form] |= set(task.kinds)
    assert kinds["recorded"] == {"unet", "text", "decoder", "preview"}
    assert kinds["compiled"] == {"unet", "preview"}


def test_calls_of_several_people_decode_nothing():
    """Four full decodes at once would take four times the memory that one was planned with."""
    plan = compile_plan(MINIATURE.sizes, replace(RECORDED, compile=True))
    several = [task for task in plan if task.rows > 1]
    assert several and not any(task.decodes for task in several)


def test_batches_are_filled_up_to_one_that_is_recorded(one: Any, four: Any, ask: Any):
    """1, 2, 4 and 8 rows are recorded; any number of people is served by those."""
    recorder = Recorder()
    functions = Watched(RECORDED, recorder)
    sampler, eager = Sampler(one, RECORDED, functions=functions), Sampler(four)
    compile_all(sampler)
    recorded = recorder.recorded
    for people in (1, 2, 3, 5, 8):
        batch = [ask(f"a cat {n}", num_inference_steps=2) for n in range(people)]
        rows = [sampler.begin(request) for request in batch]
        functions.met.clear()
        while not rows[0].done:
            sampler.step(rows)
        assert set(functions.met) == {min(rows for rows in ROW_BUCKETS if rows >= people)}
        last = sampler.finish(rows[-1]).astype(int) - paint(eager, batch[-1])
        assert np.abs(last).max() <= 1
    assert recorder.recorded == recorded


def test_recorded_prompts_are_encoded_one_at_a_time(components: Any):
    """All together they would be thousands of kernels again, launched from Python."""
    recorder = Recorder()
    functions = Watched(RECORDED, recorder)
    sampler = Sampler(components, RECORDED, functions=functions)
    sampler.prompts.encode_all(["a cat", "a dog"])
    assert functions.met == [2, 2], "both at once, by two encoders"
    compile_all(sampler)
    functions.met.clear()
    replayed = recorder.replayed
    sampler.prompts.encode_all(["a bird", "a fish"])
    assert functions.met == [1, 1, 1, 1] and recorder.replayed == replayed + 4


def test_a_graph_gives_its_caller_tensors_of_its_own():
    graph = CudaGraph(lambda x: (x * 2, x + 1), (torch.zeros(3),), Recorder())
    first = graph(torch.ones(3))
    graph(torch.full((3,), 5.0))
    assert [tensor.tolist() for tensor in first] == [[2.0] * 3, [2.0] * 3]


def test_without_anything_on_there_is_nothing_to_compile(components: Any):
    sampler = Sampler(components, Speed())
    assert not sampler.improve() and sampler.tier == ""


def test_what_has_been_compiled_is_taken_over_before_anybody_waits(
    alone: Any, programs: CountedPrograms
):
    speed = replace(COMPILED, cuda_graphs=True)
    functions = CompiledFunctions(speed, Recorder(), programs)
    sampler = Sampler(alone, speed, functions=functions)
    every = sampler.improvement.tasks_left
    sampler.warm_up()
    assert sampler.tier == "recorded, getting faster"
    assert every - sampler.improvement.tasks_left == 3 + 2, "the usual step and the decoders"


def test_what_is_recorded_first_is_compiled_later(
    alone: Any, four: Any, ask: Any, programs: CountedPrograms
):
    """The recording of the eager function is replaced by one of the program."""
    speed, recorder = replace(COMPILED, cuda_graphs=True), Recorder()
    functions = CompiledFunctions(speed, recorder, programs)
    elsewhere = False  # another process has compiled it
    sampler = Sampler(alone, speed, functions=functions, may_compile=lambda size, start: elsewhere)
    before = programs.asked
    sampler.warm_up()
    assert sampler.tier == "recorded, getting faster", "before the first request"
    assert programs.asked == before
    assert np.array_equal(paint(sampler, ask()), paint(Sampler(four), ask()))
    elsewhere, recorded = True, recorder.recorded
    assert compile_all(sampler)[-1] == "compiled"
    assert recorder.recorded > recorded, "anew"
    recorded, replayed = recorder.recorded, recorder.replayed
    difference = paint(sampler, ask()).astype(int) - paint(Sampler(four), ask())
    assert np.abs(difference).max() <= 1
    assert recorder.recorded == recorded and recorder.replayed > replayed
