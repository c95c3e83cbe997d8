"""The prompts of the evaluation, each with what a picture of it must show."""

from __future__ import annotations

from dataclasses import dataclass

from .phrases import indefinite
from .vocabulary import COUNTS, PLACES, SUBJECTS, TIMES, coloured, plural
from .world import Scene, sample_held_out

MODELS = ("1", "2", "4", "8", "teacher")  # that are asked: step counts, and the undistilled one
BEST = "reconstruction"  # renders through the autoencoder: no model can draw better
BALANCED_SEED = 9_000_000  # far from the seeds of the other suites


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt, the scene it was written from (None for a bare word) and what is asked."""

    prompt: str
    asked: dict[str, str]  # by head of the classifier
    scene: Scene | None = None


def describe(scene: Scene) -> str:
    """A plain sentence that names all of a scene: `a red house by the sea at sunset`."""
    things = [coloured(thing.name, thing.colour) for thing in scene.things]
    if scene.is_pair:
        what = f"{indefinite(things[0])} to the left of {indefinite(things[1])}"
    elif len(things) > 1:
        thing = scene.things[0]
        what = f"{COUNTS[len(things)][0]} {coloured(plural(thing.name), thing.colour)}"
    else:
        what = indefinite(things[0])
    return f"{what} {PLACES[scene.place][0]} {TIMES[scene.time][0]}"


def one_subject(count: int) -> list[Task]:
    """All that is named must be right: subject, colour, place, time, and that it is one."""
    return [_task(sample_held_out(seed, "one"), "place", "time") for seed in range(count)]


def balanced(each: int) -> list[Task]:
    """As `one_subject`, but every subject `each` times, so that none decides; no sentence twice."""
    chosen: dict[str, dict[str, Task]] = {name: {} for name in SUBJECTS}
    for seed in range(BALANCED_SEED, BALANCED_SEED + 400 * len(SUBJECTS)):
        task = _task(sample_held_out(seed, "one"), "place", "time")
        tasks = chosen.get(task.asked["name"])
        if tasks is not None and len(tasks) < each:
            tasks.setdefault(task.prompt, task)
    return [task for tasks in chosen.values() for task in tasks.values()]


def two_subjects(count: int) -> list[Task]:
    """Both subjects, both colours, in this order."""
    return [_task(sample_held_out(seed, "pair")) for seed in range(count)]


def counts(count: int) -> list[Task]:
    """Two or three: the number and what they are."""
    tasks = []
    for seed in range(count):
        scene = sample_held_out(seed, "counts")
        asked = {"count": str(len(scene.things)), "name": scene.things[0].name}
        tasks.append(Task(describe(scene), asked, scene))
    return tasks


def bare_prompts(seeds: int) -> list[Task]:
    """Every subject without another word, `seeds` times."""
    return [Task(indefinite(name), {"name": name}) for name in SUBJECTS for _ in range(seeds)]


def same_set(asked: dict[str, str], told: dict[str, str], what: str) -> bool:
    """Whether two subjects have the two names, or colours, asked for, whichever has which."""
    return sorted((asked[what], asked[what + "_2"])) == sorted((told[what], told[what + "_2"]))


def _task(scene: Scene, *also: str) -> Task:
    asked = {"count": "pair" if scene.is_pair else "1"}
    for slot, thing in zip(("", "_2"), scene.things, strict=False):
        asked |= {"name" + slot: thing.name, "colour" + slot: thing.colour}
    return Task(describe(scene), asked | {key: getattr(scene, key) for key in also}, scene)
