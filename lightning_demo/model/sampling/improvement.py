"""Makes a sampler's calls faster: the compile plan, one task after another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ...errors import DeviceLost, OutOfMemory
from ...schemas import GETTING_FASTER
from ..compile.compile_plan import CompileTask, Form, Size
from ..compile.compiled_functions import CompiledFunctions
from ..weights.unets import UNets

log = logging.getLogger(__name__)

# Whether calls at a size are compiled here: False: not yet, None: never. The second argument says
# whether the process that compiles them may be started.
MayCompile = Callable[[Size, bool], bool | None]


class Rehearse(Protocol):
    """Computes calls whose pictures nobody sees."""

    def __call__(
        self, size: Size, guidance_scale: float, steps: int, rows: int = 1, decodes: bool = True
    ) -> None: ...


class Improvement:
    """How far the plan has been carried out. Belongs to the thread that owns the device.

    Tasks on the UNet are done for each that is on the device, also for one that comes later.
    """

    def __init__(
        self,
        plan: Sequence[CompileTask],
        unets: UNets,
        functions: CompiledFunctions,
        may_compile: MayCompile,
    ) -> None:
        self._plan, self._unets, self._functions = plan, unets, functions
        self._may_compile = may_compile
        self._native = [n for n, task in enumerate(plan) if task.size == plan[0].size]
        self._done: dict[int, set[int]] = {}  # tasks by number: for which UNets
        self._compilable: dict[Size, bool | None] = {}  # what `may_compile` said last
        self._failures = 0
        self._slower: set[Form] = set()  # that some usual call could not be given
        # Calls at others stay eager: a recording of SDXL's UNet takes some megabytes of the GPU.
        self.sizes_in_use = {task.size for task in plan[:1]}
        # OpenVINO's program of a UNet holds the weights: 50 MB more for the miniature's.
        self.steps_in_use = set(unets.resident_steps())
        self._form, self._tier = "eager", ""
        self._note()

    @property
    def form(self) -> str:
        """The form that all calls at the native size have."""
        self._heed_failures()
        return self._form

    @property
    def tier(self) -> str:
        """The same for people, and whether it goes on."""
        self._heed_failures()
        return self._tier

    @property
    def tasks_left(self) -> int:
        """How many tasks have not been begun."""
        return sum(self._possible(n) and n not in self._done for n in range(len(self._plan)))

    @property
    def failures(self) -> int:
        """How many tasks have failed; calls of their kind stay slower."""
        compiles = any(task.form == "compiled" for task in self._plan)
        return self._failures + (compiles and not self._functions.compiles)

    @property
    def made(self) -> int:
        """How many recordings and programs have been made so far."""
        return self._functions.made

    def has_done(self, form: Form) -> bool:
        """Whether calls at the native size have this form, for every UNet on the device."""
        found = self._next()
        wanted = [n for n in self._native if self._plan[n].form == form]
        return found is None or all(found[0] > number for number in wanted)

    @property
    def has_more(self) -> bool:
        """Whether there is a task to do, now or later."""
        return self._next() is not None

    def go_on(self, rehearse: Rehearse) -> bool:
        """Does one task, if one may be done now; whether it did."""
        found = self._next()
        # What is recorded first is measured, too: not beside another process on the same GPU.
        self._ask(found is None or self._plan[found[0]].form == "compiled")
        found = self._next()
        does = found is not None and self._may(found[0])
        if found is not None and does:
            self._do(rehearse, *found)
        self._note()
        return does

    def warm_up(self, rehearse: Rehearse) -> None:
        """Does what is worth waiting for, before anybody does: the early tasks."""
        while True:
            self._ask(False)  # each time: what was found damaged counts as compiled no more
            found = self._next()
            if found is None or not (self._plan[found[0]].early and self._may(found[0])):
                break
            self._do(rehearse, *found)
        self._note()

    def _ask(self, start: bool) -> None:
        sizes = {task.size for task in self._plan if task.form == "compiled"} & self.sizes_in_use
        for size in sizes if self._functions.compiles else ():
            self._compilable[size] = self._may_compile(size, start)

    def _may(self, number: int) -> bool:
        task = self._plan[number]
        return task.form == "recorded" or bool(self._compilable.get(task.size))

    def _next(self) -> tuple[int, int, int] | None:
        """The first task that is left: its number, and the step count and id of the UNet it is for.

        The id is 0 where one UNet stands for all.
        """
        resident = zip(self._unets.resident_steps(), map(id, self._unets.resident()), strict=True)
        newest_first = list(resident)[::-1]
        for number, task in enumerate(self._plan):
            each = "unet" in task.kinds
            for steps, unet in newest_first if self._possible(number) else ():
                if each and task.holds_weights and steps not in self.steps_in_use:
                    continue
                if (unet if each else 0) not in self._done.get(number, ()):
                    return number, steps, unet if each else 0
        return None

    def _possible(self, number: int) -> bool:
        task = self._plan[number]
        if task.size not in self.sizes_in_use or not self._wanted(task):
            return False
        compilable = self._compilable.get(task.size, False) is not None
        return task.form == "recorded" or (self._functions.compiles and compilable)

    def _wanted(self, task: CompileTask) -> bool:
        """Whether calls have been made that nothing else fits, or everything is made here."""
        unfit = self._functions.unfit.intersection(task.kinds)
        return not task.serves_all or self._functions.makes or bool(unfit)

    def _do(self, rehearse: Rehearse, number: int, steps: int, unet: int) -> None:
        task, functions = self._plan[number], self._functions
        done = self._done.setdefault(number, set())
        postponed, given_up = functions.postponed, functions.given_up
        done.add(unet)
        try:
            with self._preparing(task):
                example = task if functions.makes else task.as_served
                rehearse(task.size, example.guidance_scale, steps, example.rows, example.decodes)
        except DeviceLost:
            raise
        except OutOfMemory:
            log.warning("%s: too little memory; these calls stay as they are", task)
            self._fail(number, important=task.important)
        except Exception:
            # What fails changes nothing: functions stay as they were, and right.
            log.exception("%s failed", task)
            self._fail(number)
        if functions.postponed > postponed:
            done.discard(unet)
        if functions.given_up > given_up:
            self._fail(number, important=task.important)

    def _preparing(self, task: CompileTask) -> AbstractContextManager[None]:
        if task.form == "recorded":
            return self._functions.recording(*task.kinds)
        return self._functions.compiling(*task.kinds, any_shape=task.serves_all)

    def _fail(self, number: int, *, important: bool = True) -> None:
        self._failures += important
        if important and number in self._native:
            self._slower.add(self._plan[number].form)

    def _heed_failures(self) -> None:
        if self._functions.failed and "compiled" not in self._slower:
            self._slower.add("compiled")
            self._note()

    def _note(self) -> None:
        self._form = self._fastest()
        if self._plan:
            form = self._functions.compiled_tier if self._form == "compiled" else self._form
            self._tier = form + (GETTING_FASTER if self.has_more else "")

    def _fastest(self) -> str:
        for form in ("compiled", "recorded"):
            tasks = ((n, self._plan[n]) for n in self._native)
            wanted = [n for n, task in tasks if task.form == form and not task.serves_all]
            done = all(n in self._done and self._possible(n) for n in wanted)
            if wanted and done and form not in self._slower:
                return form
        return "eager"
