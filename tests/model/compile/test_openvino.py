"""OpenVINO's programs: for all shapes, of one module's weights, as exact as promised."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_demo.errors import GenerationFailed, Interrupted, InvalidSetting
from lightning_demo.model.compile import compiled_functions
from lightning_demo.model.compile.compiled_functions import CompiledFunctions
from lightning_demo.model.compile.programs import Programs
from lightning_demo.model.compile.speed import Speed
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.settings import Settings

from .test_disk_offload import resident
from .test_programs import Block, function

OPENVINO = Speed(compile=True, compile_backend="openvino")
STEPS = MINIATURE.limits.num_inference_steps
NATIVE = MINIATURE.sizes[0]


def inputs(rows: int = 2, side: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(rows, 4, side, side, generator=generator), torch.tensor([2.0])


@pytest.fixture
def module() -> Block:
    torch.manual_seed(0)
    return Block().eval()


@pytest.fixture
def bound(module: Block, tmp_path: Path) -> Callable[[], Any]:
    """What a process that serves finds after another one has compiled."""
    Programs(tmp_path, OPENVINO, make=True).bind(
        "unet", function, module, *inputs(), any_shape=True
    )
    return lambda: Programs(tmp_path, OPENVINO).bind(
        "unet", function, module, *inputs(), any_shape=True
    )


def test_one_program_serves_all_shapes(module: Block, bound: Callable[[], Any], tmp_path: Path):
    (file,) = tmp_path.iterdir()
    program, results = bound(), []
    for rows, side in ((2, 9), (1, 9), (5, 12), (3, 7)):
        results.append((program(*inputs(rows, side)), function(module, *inputs(rows, side))))
    for found, wanted in results:  # after all calls: each has given tensors of its own
        assert torch.allclose(found[0], wanted[0], atol=1e-5) and torch.equal(found[1], wanted[1])
    assert [file] == list(tmp_path.iterdir())


@pytest.mark.parametrize("full", [False, True])
def test_torchs_copy_of_the_weights_is_on_disk_where_that_has_room(
    module: Block,
    bound: Callable[[], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    full: bool,
):
    """Programs hold them, too; calls that none of them fits are computed by torch as before."""

    def refuse(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    if full:
        monkeypatch.setattr(compiled_functions, "DiskOffload", refuse)
    bound()
    Programs(tmp_path, OPENVINO, make=True).bind(
        "decoder", function, module, *inputs(), any_shape=True
    )
    weight, before = module.convolution.weight, module.convolution.weight.data_ptr()
    wanted = function(module, *inputs())
    functions = CompiledFunctions(OPENVINO, programs=Programs(tmp_path, OPENVINO))
    for kind in ("unet", "decoder"):
        functions._faster[f"{kind} of any shape"] = True  # whether it is, others measure
        with functions.compiling(kind, any_shape=True):
            functions.call(kind, function, module, *inputs())
        if not full:
            assert resident(functions._offloads[id(module)]) == 0
    assert functions.made == 2 and module.convolution.weight is weight
    assert (weight.data_ptr() == before) is full
    assert all(map(torch.equal, function(module, *inputs()), wanted))
    assert len(caplog.records) == full and ("No space left" in caplog.text) is full


def test_a_process_that_only_makes_programs_leaves_the_weights_where_they_are(
    module: Block, tmp_path: Path
):
    before = module.convolution.weight.data_ptr()
    functions = CompiledFunctions(OPENVINO, programs=Programs(tmp_path, OPENVINO, make=True))
    with functions.compiling("unet", any_shape=True):
        functions.call("unet", function, module, *inputs())
    assert functions.made == 1 and module.convolution.weight.data_ptr() == before


def test_a_program_for_one_shape_stands_beside_it(module: Block, tmp_path: Path):
    """The only one where a call fits it, and in the way of no other."""
    one, many = inputs(rows=1), inputs(rows=3)
    functions = CompiledFunctions(OPENVINO, programs=Programs(tmp_path, OPENVINO, make=True))
    wanted = [function(module, *each) for each in (one, many)]
    met = []
    for any_shape, example in ((True, many), (False, one)):
        with functions.compiling("unet", any_shape=any_shape):
            functions.call("unet", function, module, *example)
        found = [functions.call("unet", function, module, *each) for each in (one, many)]
        for (image, total), (image_wanted, total_wanted) in zip(found, wanted, strict=True):
            assert torch.allclose(image, image_wanted, atol=1e-5)
            assert torch.equal(total, total_wanted)
        keys = [functions._program((id(module), "unet", _shapes(each))) for each in (one, many)]
        met.append(keys[0] is keys[1])
    assert met == [True, False]
    assert (functions.made, len(list(tmp_path.glob("unet-*.ov")))) == (2, 2)


def _shapes(tensors: tuple[torch.Tensor, ...]) -> Any:
    return tuple((tensor.shape, tensor.dtype, tensor.stride()) for tensor in tensors)


def test_other_weights_are_another_program(module: Block, tmp_path: Path, bound: Any):
    with torch.no_grad():
        module.convolution.weight[0, 0, 0, 0] += 1e-3  # a LoRA, perhaps
    assert bound() is None


@pytest.mark.parametrize("damage", [b"", b"not a program" * 9, None], ids=["empty", "other", "cut"])
def test_a_damaged_file_is_given_up(
    damage: bytes | None, bound: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert bound() is None and not file.exists()
    assert f"{file.name} cannot be used" in caplog.text


def test_nobody_is_told_of_what_is_converted(
    module: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """OpenVINO's own converter reports to its makers; another part of it is used."""
    telemetry = pytest.importorskip("openvino_telemetry")

    def report(*arguments: Any, **options: Any) -> None:
        raise AssertionError("somebody would be told")

    monkeypatch.setattr(telemetry.Telemetry, "init", report)
    Programs(tmp_path, OPENVINO, make=True).bind(
        "unet", function, module, *inputs(), any_shape=True
    )


# The miniature ------------------------------------------------------------------------------


def improve_all(sampler: Sampler) -> None:
    while sampler.improve(fetch=False):
        pass


@pytest.fixture(scope="module")
def folder(components: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the `compile` command would leave, of the 4-step UNet."""
    folder = tmp_path_factory.mktemp("programs")
    programs = Programs(folder, OPENVINO, make=True)
    components.unets.get(4)
    sampler = Sampler(
        components, OPENVINO, functions=CompiledFunctions(OPENVINO, programs=programs)
    )
    sampler.improvement.steps_in_use = {4}
    improve_all(sampler)
    assert not sampler.improvement.failures
    return folder


class Counted(Programs):
    """Counts what it is asked for, and says what was faster."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, OPENVINO)
        self.asked = 0

    def bind(self, *arguments: Any, **options: Any) -> Any:
        self.asked += 1
        return super().bind(*arguments, **options)

    def noted(self, kind: str) -> tuple[float, float]:
        return 2.0, 1.0  # a busy machine would decide otherwise


@pytest.fixture(scope="module")
def compiled(components: Any, folder: Path) -> Sampler:
    """A sampler that serves by programs."""
    functions = CompiledFunctions(OPENVINO, programs=Counted(folder))
    sampler = Sampler(components, OPENVINO, functions=functions)
    sampler.improvement.steps_in_use = {4}
    improve_all(sampler)
    return sampler


def paint(sampler: Sampler, requests: Sequence[Any]) -> tuple[torch.Tensor, list[np.ndarray]]:
    """The final latents and pictures, of all together."""
    sampler.prepare(requests)
    rows = [sampler.begin(request) for request in requests]
    while not rows[0].done:
        sampler.step(rows)
    pictures = sampler.finals(rows) + sampler.previews(rows)
    return torch.cat([row.latents for row in rows]), pictures


def test_pictures_are_those_of_diffusers_to_within_a_level(
    compiled: Sampler, components: Any, ask: Callable[..., Any]
):
    """For any number of people, with and without guidance, at every size, for long prompts too."""
    eager = Sampler(components)
    cases = [
        [ask("a red house", width=width, height=height, guidance_scale=float(n % 2) * 2)]
        for n, (width, height) in enumerate(MINIATURE.sizes)
    ]
    cases.append([ask(f"{n} cats by the sea", guidance_scale=float(n % 2) * 2) for n in range(3)])
    cases.append([ask(f"a boat {n}", seed=n) for n in range(8)])
    long = "a red house by the sea at sunset, " * 6
    cases.append([ask(long), ask(f"{long} at night", guidance_scale=2.0, negative_prompt="a cat")])
    cases.append([ask("a (red:1.4) house", morph_prompt="a blue boat", morph_strength=0.4)])
    for requests in [*cases, [], *cases]:
        if not requests:
            assert compiled.has_more, "some of these fit no program yet"
            improve_all(compiled)
            continue
        latents, pictures = paint(compiled, requests)
        wanted_latents, wanted = paint(eager, requests)
        scale = wanted_latents.abs().max()
        apart = (latents - wanted_latents).abs().flatten() / scale
        # A few values stand between two drawings, where rounding grows from step to step.
        assert apart.quantile(0.9) <= 1e-4 and apart.max() <= 1e-3
        for picture, other in zip(pictures, wanted, strict=True):
            assert np.abs(picture.astype(int) - other).max() <= 1


def test_weights_are_held_once_until_a_call_fits_no_program(
    components: Any, folder: Path, ask: Callable[..., Any]
):
    """Several people's pictures are computed one by one, which takes no longer on a CPU."""
    programs = Counted(folder)
    functions = Calls(OPENVINO, programs=programs)
    sampler = Sampler(components, OPENVINO, functions=functions)
    sampler.improvement.steps_in_use = {4}
    improve_all(sampler)
    several = [ask(f"{n} cats") for n in range(3)]
    paint(sampler, several)
    assert sampler.tier == "OpenVINO" and sampler.form == "compiled" and not sampler.has_more
    every_part = programs.asked
    assert every_part == len(("unet", "decoder", "preview", "text", "text"))
    functions.rows.clear()
    paint(sampler, [*several, ask("guided", guidance_scale=2.0)])
    assert functions.rows["unet"] == {1} and not functions.unfit - {"unet"}
    assert sampler.has_more and sampler.form == "compiled"
    improve_all(sampler)
    assert programs.asked == every_part + 1 and sampler.tier == "OpenVINO"
    functions.rows.clear()
    paint(sampler, [*several, ask("guided", guidance_scale=2.0)])
    assert (functions.rows["unet"], functions.rows["decoder"]) == ({4}, {1})


def test_programs_for_any_shape_are_made_from_two_of_everything(components: Any):
    """Also where those for one picture are there already: one row might become a constant."""
    examples: dict[tuple[str, bool], set[int]] = {}

    class Noted:
        makes, may_be_slower, offload_folder = True, False, None

        def bind(self, kind: str, function: Any, module: Any, *tensors: Any, any_shape: bool):
            examples.setdefault((kind, any_shape), set()).add(len(tensors[0]))
            return partial(function, module)

    functions = CompiledFunctions(OPENVINO, programs=Noted())  # type: ignore[arg-type]
    sampler = Sampler(components, OPENVINO, functions=functions)
    sampler.improvement.steps_in_use = {4}
    improve_all(sampler)
    kinds = ("unet", "decoder", "preview", "text")
    assert examples == {
        (kind, any_shape): {1 + any_shape} for kind in kinds for any_shape in (0, 1)
    }
    assert not sampler.improvement.failures


class Calls(CompiledFunctions):
    """Notes how many rows the calls of each kind have."""

    def __init__(self, speed: Speed, **options: Any) -> None:
        super().__init__(speed, **options)
        self.rows: dict[str, set[int]] = {}

    def call(self, kind: Any, function: Any, module: Any, *tensors: torch.Tensor) -> Any:
        self.rows.setdefault(kind, set()).add(len(tensors[0]))
        return super().call(kind, function, module, *tensors)


def test_what_was_read_of_a_file_is_given_back(bound: Callable[[], Any], tmp_path: Path):
    """Weights in the layout of a processor are copies; those in the file would be there twice."""
    smaps = Path("/proc/self/smaps")
    if not smaps.exists():
        pytest.skip("only Linux tells what is mapped")
    (file,) = tmp_path.iterdir()
    program = bound()
    entry = smaps.read_text().split(str(file), 1)[1]
    assert int(entry.split("Rss:", 1)[1].split()[0]) == 0
    assert program is not None


def test_nan_is_noticed(compiled: Sampler, ask: Callable[..., Any]):
    """Although a ReLU of OpenVINO makes 0 of NaN."""
    row = compiled.begin(ask())
    compiled.step([row])
    row.latents = row.latents * torch.nan
    with pytest.raises(GenerationFailed):
        compiled.finish(row)


def test_a_decode_that_nobody_wants_any_more_ends_early(compiled: Sampler, ask: Callable[..., Any]):
    (row,) = rows = [compiled.begin(ask())]
    while not row.done:
        compiled.step(rows)
    wanted = compiled.finish(row)
    failed = compiled._functions.failed

    def decode_for_ever() -> None:
        while True:
            compiled.finals(rows * 8)

    with ThreadPoolExecutor(1) as thread:
        decoding = thread.submit(decode_for_ever)
        while not decoding.done():  # between two calls there is nothing to end
            compiled.interrupt("decoder")
            time.sleep(0.01)
    assert isinstance(decoding.exception(), Interrupted)
    assert np.array_equal(compiled.finish(row), wanted)
    assert compiled._functions.failed == failed and compiled.tier == "OpenVINO"


def test_the_unet_of_a_step_count_comes_when_somebody_asks_for_it(
    components: Any, folder: Path, ask: Callable[..., Any]
):
    for steps in (2, 4):
        components.unets.get(steps)
    programs = Counted(folder)
    sampler = Sampler(
        components, OPENVINO, functions=CompiledFunctions(OPENVINO, programs=programs)
    )
    sampler.improvement.steps_in_use = {4}
    improve_all(sampler)
    asked, failures = programs.asked, sampler.improvement.failures
    assert not failures and not sampler.has_more
    sampler.prepare([ask(num_inference_steps=2)])
    assert sampler.has_more
    improve_all(sampler)
    assert programs.asked == asked + 2, "in vain, and once more"
    assert sampler.improvement.failures


def test_what_is_missing_is_asked_for_again(module: Block, tmp_path: Path):
    """The process that compiles is started anew meanwhile: nothing counts as complete."""
    stamp = tmp_path / "complete-256x256"
    stamp.touch()
    functions = CompiledFunctions(OPENVINO, programs=Counted(tmp_path))
    with functions.compiling("unet", any_shape=True):
        functions.call("unet", function, module, *inputs())
    assert not stamp.exists() and (functions.postponed, functions.given_up) == (1, 0)
    Programs(tmp_path, OPENVINO, make=True).bind(
        "unet", function, module, *inputs(), any_shape=True
    )
    with functions.compiling("unet", any_shape=True):
        functions.call("unet", function, module, *inputs())
    assert functions.ready("unet", module, (7, 4, 5, 5))
    assert (functions.postponed, functions.given_up) == (1, 0)


def test_what_is_damaged_at_the_start_is_made_again_meanwhile(
    components: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nothing is given up: the process that compiles is asked, and then all is loaded."""
    here = tmp_path / "programs"
    shutil.copytree(folder, here)
    stamp = here / "complete-256x256"
    stamp.touch()
    decoders = list(here.glob("decoder-*"))
    whole = [decoder.read_bytes() for decoder in decoders]
    for decoder in decoders:
        decoder.write_bytes(decoder.read_bytes()[:1000])
    functions = CompiledFunctions(OPENVINO, programs=Counted(here))
    sampler = Sampler(
        components,
        OPENVINO,
        functions=functions,
        may_compile=lambda size, start: stamp.exists(),
    )
    sampler.improvement.steps_in_use = {4}
    sampler.warm_up()
    assert sampler.tier.endswith("getting faster") and not stamp.exists()
    assert not sampler.improvement.failures
    for decoder, content in zip(decoders, whole, strict=True):
        decoder.write_bytes(content)
    stamp.touch()
    improve_all(sampler)
    assert sampler.tier == "OpenVINO" and not sampler.improvement.failures


def test_an_openvino_that_does_not_work_leaves_things_as_they_were(
    components: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Installed by halves, for example. It is not even imported before it is needed."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "lightning_demo.model.compile.openvino", raising=False)
    functions = CompiledFunctions(OPENVINO, programs=Programs(folder, OPENVINO))
    sampler = Sampler(components, OPENVINO, functions=functions)
    improve_all(sampler)
    assert sampler.tier == "eager" and not sampler.has_more
    assert "compiling does not work here" in caplog.text


# What it is worth ---------------------------------------------------------------------------


class Slow(Programs):
    """A machine on which programs take longer."""

    def bind(self, *arguments: Any, **options: Any) -> Any:
        program = super().bind(*arguments, **options)

        def slow(*tensors: torch.Tensor) -> Any:
            time.sleep(0.05)  # far more than the call itself takes
            return program(*tensors)

        return slow


@pytest.fixture
def prepared(module: Block, tmp_path: Path) -> Callable[[type[Programs]], CompiledFunctions]:
    Programs(tmp_path, OPENVINO, make=True).bind(
        "unet", function, module, *inputs(), any_shape=True
    )

    def prepare(kind: type[Programs]) -> CompiledFunctions:
        functions = CompiledFunctions(OPENVINO, programs=kind(tmp_path, OPENVINO))
        with functions.compiling("unet", any_shape=True):
            functions.call("unet", function, module, *inputs())
        return functions

    return prepare


def test_a_program_that_is_no_faster_is_not_used(
    prepared: Any, module: Block, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    functions = prepared(Slow)
    assert not functions.ready("unet", module, (2, 4, 9, 9)) and functions.given_up == 1
    assert "the compiled unet of any shape is no faster here" in caplog.text
    before, after = Programs(tmp_path, OPENVINO).noted("unet of any shape")
    assert 0 < before < after, "written down for `doctor`"


def test_what_was_clearly_faster_is_not_measured_again(
    prepared: Any, module: Block, tmp_path: Path
):
    Programs(tmp_path, OPENVINO).note("unet of any shape", 3.0, 1.0)
    assert prepared(Slow).ready("unet", module, (2, 4, 9, 9))


def test_notes_that_cannot_be_read_or_written_are_done_without(tmp_path: Path):
    folder = tmp_path / "none"
    Programs(folder, OPENVINO).note("unet", 3.0, 1.0)
    for content in ("", "[]", '{"unet": 3}', '{"unet": ["a", "b"]}'):
        (tmp_path / "measured.json").write_text(content)
        assert Programs(tmp_path, OPENVINO).noted("unet") == (0.0, 0.0)


def test_a_program_that_fails_is_replaced_by_the_function(
    prepared: Any, module: Block, caplog: pytest.LogCaptureFixture
):
    class Failing(Counted):
        def __init__(self, folder: Path, speed: Speed) -> None:
            super().__init__(folder)

        def bind(self, *arguments: Any, **options: Any) -> Any:
            calls = iter([super().bind(*arguments, **options)])
            return lambda *tensors: next(calls)(*tensors)

    functions = prepared(Failing)
    for _ in range(2):
        found = functions.call("unet", function, module, *inputs())
        assert torch.equal(found[0], function(module, *inputs())[0])
    assert caplog.text.count("a compiled unet has failed") == 1


def test_what_fails_in_service_is_said(components: Any, folder: Path, ask: Callable[..., Any]):
    class Broken(Counted):
        broken = False

        def bind(self, kind: str, *arguments: Any, **options: Any) -> Any:
            program = super().bind(kind, *arguments, **options)

            def call(*tensors: torch.Tensor) -> Any:
                if kind == "unet" and self.broken:
                    raise RuntimeError("no memory for a thread")
                return program(*tensors)

            return program and call

    programs = Broken(folder)
    functions = CompiledFunctions(OPENVINO, programs=programs)
    sampler = Sampler(components, OPENVINO, functions=functions)
    sampler.improvement.steps_in_use = {4}
    improve_all(sampler)
    assert (sampler.tier, sampler.form) == ("OpenVINO", "compiled")
    wanted, _ = paint(Sampler(components), [ask("a cat")])
    programs.broken = True
    found, _ = paint(sampler, [ask("a cat")])
    assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))
    assert (sampler.tier, sampler.form) == ("eager", "eager")


# Where it is used ---------------------------------------------------------------------------


@pytest.fixture
def version(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Pretends that another OpenVINO is installed, or none."""

    def pretend(found: str | None) -> None:
        real = partial(_version, found)
        monkeypatch.setattr(
            "lightning_demo.model.compile.toolchain.importlib.metadata.version", real
        )

    return pretend


def _version(found: str | None, name: str) -> str:
    from importlib.metadata import PackageNotFoundError

    if name != "openvino" or found is None:
        raise PackageNotFoundError(name)
    return found


def test_a_cpu_takes_it_for_the_miniature_where_it_is_installed(
    version: Callable[[str | None], None],
):
    settings = Settings()
    version("2026.4.1")
    here = Speed.of(settings, "cpu", small=True)
    assert here.compile and here.compile_backend == "openvino"
    assert not Speed.of(settings, "cpu", small=False).compile
    assert not Speed.of(settings, "mps", small=True).compile
    on_gpu = Speed.of(settings, "cuda", small=True)
    assert on_gpu.compile and on_gpu.compile_backend == "inductor"
    for missing in (None, "2024.6.0"):
        version(missing)
        assert not Speed.of(settings, "cpu", small=True).compile


@pytest.mark.parametrize("backend", ["inductor", "eager"])
def test_a_cpu_takes_another_only_by_name(backend: str):
    settings = Settings(compile_backend=backend)
    for kind, compiles in (("cpu", True), ("cuda", True), ("mps", False)):
        speed = Speed.of(settings, kind, small=True)
        assert speed.compile == compiles and (not compiles or speed.compile_backend == backend)


def test_where_it_cannot_be_used_the_setting_is_refused(version: Callable[[str | None], None]):
    settings = Settings(compile_backend="openvino")
    version("2026.4.1")
    for kind, small in (("cuda", True), ("cpu", False)):
        with pytest.raises(InvalidSetting, match="compile_backend: openvino is for the miniature"):
            Speed.of(settings, kind, small=small)
    version("2026.4.1")
    assert not Speed.of(replace(settings, compile=False), "cuda", small=True).compile
    for found, words in ((None, "not installed"), ("2024.6.0", "2024.6.0 is too old")):
        version(found)
        with pytest.raises(InvalidSetting, match=words):
            Speed.of(settings, "cpu", small=True)
