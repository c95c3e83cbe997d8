"""UNets on the device: what stays, what is overwritten in place, and what is fetched meanwhile."""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_demo.errors import CheckpointError
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.model.weights.lora import Delta
from lightning_demo.model.weights.model_spec import UNET_CONFIG
from lightning_demo.model.weights.unet_files import UNetFiles
from lightning_demo.model.weights.unets import Recipe, UNets, write

STEPS = MINIATURE.limits.num_inference_steps
CPU = torch.device("cpu")


class CountingFiles(UNetFiles):
    """The miniature's files, counting what is read, some of them not here yet."""

    def __init__(self) -> None:
        super().__init__(MINIATURE, CPU, torch.float32)
        self.read_steps: list[int] = []
        self.absent: set[int] = set()
        self.reported, self.arrived = threading.Event(), threading.Event()
        self.problem: CheckpointError | None = None

    def here(self, num_inference_steps: int) -> bool:
        return num_inference_steps not in self.absent

    def read(self, num_inference_steps: int, report: Any) -> Recipe:
        self.read_steps.append(num_inference_steps)
        if num_inference_steps in self.absent:
            report(0.25, "1.3 of 5.1 GB")
            self.reported.set()
            assert self.arrived.wait(30)
            if self.problem is not None:
                raise self.problem
        return super().read(num_inference_steps, report)


@pytest.fixture
def files() -> CountingFiles:
    return CountingFiles()


def state(unet: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in unet.state_dict().items()}


def fetch_all(unets: UNets) -> None:
    while unets.fetch_ahead():
        time.sleep(0.001)  # files are read on another thread


def test_what_loras_are_added_to_is_let_go_when_all_have_been(files: CountingFiles):
    unets = UNets(files, 4, STEPS)
    for number, steps in enumerate(STEPS, 1):
        unets.get(steps)
        assert (files._base is None) is (number in (1, len(STEPS))), "1 step is a whole UNet"
    bases = {id(files.read(steps, print).weights) for steps in STEPS if steps > 1}
    assert bases and files._base is None, "and read again where somebody asks"


def test_with_room_for_all_each_step_count_keeps_its_own(files: CountingFiles):
    unets = UNets(files, 4, STEPS)
    first = {steps: unets.get(steps) for steps in STEPS}
    assert len({id(unet) for unet in first.values()}) == 4
    assert all(unets.get(steps) is first[steps] for steps in STEPS)
    assert files.read_steps == list(STEPS)


def test_with_room_for_one_it_is_overwritten_in_place_with_the_same_numbers(
    files: CountingFiles, components: Any
):
    unets = UNets(files, 1, STEPS)
    only = unets.get(4)
    places = [parameter.data_ptr() for parameter in only.parameters()]
    for steps in (8, 1, 2, 4, 1):
        assert unets.get(steps) is only
        wanted = components.unets.get(steps).state_dict()
        for name, tensor in only.state_dict().items():
            assert torch.equal(tensor, wanted[name]), name
    assert [parameter.data_ptr() for parameter in only.parameters()] == places
    assert unets.resident() == (only,)
    assert sorted(files.read_steps) == list(STEPS), "no file is read twice"


def test_with_room_for_two_the_one_unused_longest_makes_room(files: CountingFiles):
    unets = UNets(files, 2, STEPS)
    four, eight = unets.get(4), unets.get(8)
    unets.get(4)
    assert unets.get(2) is eight
    assert unets.get(4) is four
    assert unets.resident() == (eight, four)


def test_several_deltas_of_one_weight_are_rounded_once(components: Any):
    """In half precision, rounding after each would lose what together is worth a digit."""
    unet = components.unets.get(4)
    name, shape = next((n, t.shape) for n, t in unet.state_dict().items() if t.dim() == 2)
    up, down = torch.ones(shape[0], 1), torch.ones(1, shape[1])
    small = Delta(name, up, down, 2.0**-12)
    weights = {key: torch.ones_like(tensor) for key, tensor in unet.state_dict().items()}
    target = CountingFiles().blank().half()
    write(Recipe(weights, (small,)), target)
    assert (target.state_dict()[name] == 1).all(), "alone it is too small for half precision"
    write(Recipe(weights, (small,) * 8), target)
    assert (target.state_dict()[name] == 1 + 2.0**-9).all()


def test_what_is_not_here_is_fetched_while_others_go_on(files: CountingFiles):
    files.absent = {8}
    unets = UNets(files, 4, STEPS)
    four = unets.get(4)
    for _ in range(3):
        with pytest.raises(CheckpointError, match="8 steps are on their way") as caught:
            unets.require(8)
        assert caught.value.field == "num_inference_steps"
    unets.require(4)
    assert unets.get(4) is four
    files.arrived.set()
    reading = unets.prefetch(8)
    reading.result(30)
    unets.require(8)
    assert unets.get(8) is not four
    assert files.read_steps == [4, 8]


def test_how_far_a_download_is_stands_in_the_sentence(files: CountingFiles):
    files.absent = {2}
    unets = UNets(files, 4, STEPS)
    reading = unets.prefetch(2)
    assert files.reported.wait(30)
    with pytest.raises(CheckpointError, match=r"1\.3 of 5\.1 GB"):
        unets.require(2)
    files.arrived.set()
    reading.result(30)


def test_a_download_that_failed_says_why_and_is_tried_again(files: CountingFiles):
    files.absent, files.problem = {8}, CheckpointError("The Hub is down.")
    files.arrived.set()
    unets = UNets(files, 4, STEPS)
    with pytest.raises(CheckpointError):
        unets.prefetch(8).result(30)
    with pytest.raises(CheckpointError, match="The Hub is down"):
        unets.require(8)
    files.problem = None
    unets.prefetch(8).result(30)
    unets.require(8)
    assert unets.get(8) is not None


def test_the_weights_of_another_architecture_are_refused_before_anything_changes(tmp_path: Path):
    assert MINIATURE.base.folder is not None
    shutil.copytree(MINIATURE.base.folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / UNET_CONFIG).read_text())
    (tmp_path / UNET_CONFIG).write_text(json.dumps({**config, "in_channels": 9}))
    other = replace(MINIATURE, base=replace(MINIATURE.base, folder=tmp_path))
    files = UNetFiles(other, CPU, torch.float32)
    unets = UNets(files, 1, (1,))
    with pytest.raises(CheckpointError, match=r"unet_x0\.safetensors does not fit this model"):
        unets.get(1)
    assert unets.resident() == ()


def test_what_is_here_is_brought_nearer_while_nobody_waits(files: CountingFiles):
    """Two on the device, the others in the host's memory: no file is read on a slider's move."""
    unets = UNets(files, 2, STEPS)
    unets.get(4)
    fetch_all(unets)
    assert sorted(files.read_steps) == list(STEPS)
    assert len(unets.resident()) == 2
    for steps in STEPS:
        unets.require(steps)
        unets.get(steps)
    assert sorted(files.read_steps) == list(STEPS)


class SlowMemory(CountingFiles):
    """Page-locking takes as long as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.may_lock, self.locked = threading.Event(), list[int]()

    def lasting(self, recipe: Recipe) -> Recipe:
        assert self.may_lock.wait(30)
        self.locked.append(len(recipe.deltas))
        return Recipe(dict(recipe.weights), recipe.deltas)


def test_the_first_picture_does_not_wait_for_memory_that_copies_faster(components: Any):
    files = SlowMemory()
    unets = UNets(files, 1, STEPS)
    unets.get(4)
    assert unets.fetch_ahead() and unets.get(8) is not None, "locking goes on meanwhile"
    files.may_lock.set()
    fetch_all(unets)
    assert len(files.locked) == len(STEPS) and not unets.fetch_ahead()
    for steps in STEPS:
        wanted = components.unets.get(steps).state_dict()
        found = unets.get(steps).state_dict()
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in found.items())
    assert sorted(files.read_steps) == list(STEPS)


def test_memory_that_cannot_be_locked_is_done_without(
    files: CountingFiles, monkeypatch: pytest.MonkeyPatch
):
    def refuse(recipe: Recipe) -> Recipe:
        raise RuntimeError("no page-locked memory")

    monkeypatch.setattr(files, "lasting", refuse)
    unets = UNets(files, 1, STEPS)
    fetch_all(unets)
    assert all(unets.get(steps) is unets.get(4) for steps in STEPS)


def test_the_base_of_all_loras_is_locked_once(monkeypatch: pytest.MonkeyPatch):
    locked = []

    def lock(weights: Any, device: torch.device) -> Any:
        locked.append(weights)
        return dict(weights)

    monkeypatch.setattr("lightning_demo.model.weights.unet_files.page_lock", lock)
    files = UNetFiles(MINIATURE, torch.device("cuda"), torch.float32, pinned=True)
    quiet = lambda fraction, sentence: None  # noqa: E731
    early = [files.read(steps, quiet) for steps in (4, 8)]
    four, eight = (files.lasting(recipe) for recipe in early)
    two = files.lasting(files.read(2, quiet))
    assert four.weights is eight.weights is two.weights and four.weights is not early[0].weights
    assert four.deltas != eight.deltas
    files.lasting(files.read(1, quiet))
    assert len(locked) == 2, "the base, and the whole UNet of 1 step"


class LikeAGpus(UNetFiles):
    """Weights prepared as for a GPU with room for one UNet; here, it is the CPU's memory."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(MINIATURE, CPU, dtype, pinned=True)
        self._pinned = True

    def lasting(self, recipe: Recipe) -> Recipe:
        return recipe  # page-locking is another copy and asks for itself


@pytest.mark.parametrize("room", [True, False])
def test_a_cast_is_kept_only_where_the_host_has_room_for_it(
    room: bool, components: Any, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []

    def host_has_room(needed: int) -> bool:
        asked.append(needed)
        return room

    monkeypatch.setattr("lightning_demo.model.weights.unet_files.host_has_room", host_has_room)
    unets = UNets(LikeAGpus(), 1, STEPS)
    for steps in (*STEPS, 4, 1):
        found = unets.get(steps).state_dict()
        wanted = components.unets.get(steps).state_dict()
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in found.items()), steps
    cast = sum(tensor.nbytes for tensor in components.unets.get(4).state_dict().values())
    assert asked == [cast, cast], "the base of the LoRAs, and the whole UNet of 1 step"
    kept = {tensor.dtype for each in unets._recipes.values() for tensor in each.weights.values()}
    assert kept == {torch.float32 if room else torch.float16}


def test_weights_cast_once_or_at_each_switch_or_at_the_start_are_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
):
    found = []
    for room in (True, False):
        monkeypatch.setattr(
            "lightning_demo.model.weights.unet_files.host_has_room", lambda needed, room=room: room
        )
        found.append(state(UNets(LikeAGpus(torch.bfloat16), 1, STEPS).get(8)))
    found.append(state(UNets(UNetFiles(MINIATURE, CPU, torch.bfloat16), 4, STEPS).get(8)))
    for other in found[1:]:
        assert all(torch.equal(tensor, other[name]) for name, tensor in found[0].items())


def test_what_need_not_be_cast_takes_no_room(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "lightning_demo.model.weights.unet_files.host_has_room",
        lambda needed: pytest.fail("nothing is copied"),
    )
    files = LikeAGpus(torch.float16)
    for steps in STEPS:
        files.read(steps, lambda fraction, sentence: None)


def test_nothing_is_fetched_ahead_from_the_network_or_without_room(files: CountingFiles):
    files.absent = {8}
    full = UNets(files, 1, STEPS, room=lambda: False)
    full.get(4)
    assert not full.fetch_ahead()
    assert files.read_steps == [4]
    unets = UNets(files, 4, STEPS)
    fetch_all(unets)
    assert 8 not in files.read_steps and len(unets.resident()) == 3


def test_a_file_that_cannot_be_read_ahead_stops_nothing(files: CountingFiles):
    files.problem = CheckpointError("Damaged.")
    files.arrived.set()
    unets = UNets(files, 4, STEPS)
    files.absent = {2}
    failing = unets.prefetch(2)
    with pytest.raises(CheckpointError):
        failing.result(30)
    fetch_all(unets)
    assert len(unets.resident()) == 3


def test_a_unet_made_while_painting_is_like_one_made_at_the_start(files: CountingFiles):
    """Compiled code tells tensors of inference mode from others, and so does overwriting."""
    unets = UNets(files, 2, STEPS)
    first = unets.get(4)
    with torch.inference_mode():
        second = unets.get(8)
    for unet in (first, second):
        assert not any(parameter.is_inference() for parameter in unet.parameters())
    assert unets.get(1) is first and unets.get(2) is second, "overwritten outside of it"
    with torch.inference_mode():
        assert unets.get(4) is first


class FullDevice(CountingFiles):
    """A device without room for another UNet once two are there."""

    def __init__(self) -> None:
        super().__init__()
        self.blanks = 0

    def blank(self) -> torch.nn.Module:
        self.blanks += 1
        if self.blanks > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().blank()


def test_what_does_not_fit_is_written_over_what_is_there(components: Any):
    """Plans count on memory that another program may have taken meanwhile."""
    unets = UNets(FullDevice(), 4, STEPS)
    kept = [unets.get(4), unets.get(8)]
    fetch_all(unets)
    assert list(unets.resident()) == kept, "nothing in use is given up for what may be asked for"
    assert unets.get(2) is kept[0]
    wanted = components.unets.get(2).state_dict()
    assert all(torch.equal(v, wanted[k]) for k, v in kept[0].state_dict().items())
    assert unets.resident_steps() == (8, 2)


def test_what_will_be_overwritten_is_read_before_it_is_asked_for_again():
    """The plan was for all: nothing was kept in the host's memory of those that came first."""
    source = FullDevice()
    unets = UNets(source, 4, STEPS)
    for steps in (4, 8):
        unets.get(steps)
    fetch_all(unets)
    before = list(source.read_steps)
    assert sorted(before) == [1, 2, 4, 4, 8, 8], "twice, as they had not been kept"
    for steps in (*STEPS, *STEPS):
        unets.get(steps)
    assert source.read_steps == before


def test_a_device_without_room_for_one_says_so():
    full = FullDevice()
    full.blanks = 2
    with pytest.raises(torch.OutOfMemoryError):
        UNets(full, 4, STEPS).get(4)


def test_the_time_to_bring_a_unet_is_that_of_the_copy(files: CountingFiles):
    """A GPU's copies go on after the call: only waiting for the device shows how long they take."""
    waits = []

    def synchronize() -> None:
        time.sleep(0.05)
        waits.append(1)

    unets = UNets(files, 1, STEPS, synchronize=synchronize)
    unets.get(4)
    assert unets.seconds_to_bring(8) == 0, "not known yet"
    unets.get(8)
    assert unets.seconds_to_bring(4) >= 0.05 and len(waits) == 2
    assert unets.seconds_to_bring(8) == 0


def test_a_unet_that_could_not_be_overwritten_is_not_given_up(
    files: CountingFiles, components: Any, monkeypatch: pytest.MonkeyPatch
):
    """Recordings of CUDA graphs know its address: they must not replay over freed memory."""
    unets = UNets(files, 1, STEPS)
    only = unets.get(4)

    def full(recipe: Recipe, unet: torch.nn.Module) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with monkeypatch.context() as patch:
        patch.setattr("lightning_demo.model.weights.unets.write", full)
        with pytest.raises(torch.OutOfMemoryError):
            unets.get(8)
    assert unets.resident() == ()
    assert unets.get(2) is only
    wanted = components.unets.get(2).state_dict()
    assert all(torch.equal(v, wanted[k]) for k, v in only.state_dict().items())
