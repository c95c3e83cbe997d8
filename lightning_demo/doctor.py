"""The `doctor` command: looks at this machine and says what to do."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .doctor_versions import Finding, outdated_programs, outdated_store, packages
from .errors import CheckpointError, InvalidSetting, OutOfMemory
from .model.compile.measured import MEASURED, read_measured
from .model.compile.toolchain import compiler_variables, openvino_problem
from .model.device import (
    choose_model,
    cuda_device_count,
    cuda_problem,
    has_cuda,
    torch_cuda_version,
)
from .model.host_memory import host_memory
from .model.weights.lora_setting import parse_loras
from .model.weights.model_spec import ModelSpec
from .ports import free_port
from .settings import Settings
from .surroundings import compile_folder

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
PYTHONS = ((3, 10), (3, 13))
LINE = "{:<14} {:>8}   {}"  # of a memory plan
OPENVINO_WORKS = "import openvino; openvino.Core()"
FREE_BYTES = {"miniature": 1 * 2**30, "sdxl-lightning": 8 * 2**30}


def describe_memory(card: str | None, free_gib: float | None) -> int:
    """Prints how SDXL-Lightning would be spread over a GPU; returns 0.

    Args:
        card: its name, or
        free_gib: how much of its memory is free, 1 to 1024 GiB.

    Raises:
        InvalidSetting: no such card is known, or the memory is out of range.
        OutOfMemory: it is too little for any plan.
    """
    from .model.memory_plan import GIB, full_size_plan
    from .model.memory_report import free_on, report
    from .model.weights.checkpoints import SDXL_LIGHTNING

    if card is not None:
        free_bytes = free_on(card)
    elif free_gib is not None and 1 <= free_gib <= 1024:
        card, free_bytes = f"a GPU with {free_gib:g} GiB free", int(free_gib * GIB)
    else:
        raise InvalidSetting("memory: must be a number from 1 to 1024 GiB.")
    step_counts = len(SDXL_LIGHTNING.checkpoints)
    plan = full_size_plan("cuda", free_bytes, step_counts)
    print(f"SDXL-Lightning at 1024 px on {card}, computed: {plan.describe()}")
    for line in report(plan, free_bytes, step_counts):
        print("    " + LINE.format(*line))
    return 0


def examine(settings: Settings) -> int:
    """Prints what was found; returns 0 when the demo can run, 1 when something is in its way."""
    spec = choose_model(settings)
    troubles = 0
    for finding in _findings(settings, spec):
        troubles += bool(finding.advice)
        mark = "!!" if finding.advice else "--" if finding.hint else "ok"
        print(f"{mark}  {finding.what:<10} {finding.found}")
        if said := finding.advice or finding.hint:
            print(f"    {'':<10} -> {said}")
    print(
        f"{troubles} problem(s) to solve before `python app.py` can run."
        if troubles
        else "All is well: run `python app.py`."
    )
    return 1 if troubles else 0


def _findings(settings: Settings, spec: ModelSpec) -> Iterator[Finding]:
    yield _python()
    yield from packages(REQUIREMENTS)
    yield _device(settings, spec)
    yield _memory(spec)
    yield from _plan(settings, spec)
    yield from _compiler(settings, spec)
    yield from outdated_programs()
    yield from outdated_store(settings)
    yield from _weights(spec)
    yield from _loras(settings)
    yield from _fallbacks(settings)
    yield _port(settings)


def _python() -> Finding:
    low, high = (".".join(map(str, version)) for version in PYTHONS)
    advice = "" if sys.version_info[:2] >= PYTHONS[0] else f"install Python {low} to {high}"
    return Finding("python", f"{platform.python_version()} at {sys.executable}", advice)


def _device(settings: Settings, spec: ModelSpec) -> Finding:
    built, gpus = torch_cuda_version(), cuda_device_count()
    found = f"{gpus} CUDA GPU(s), torch built for {'CUDA ' + built if built else 'the CPU'}"
    found += f"; `--model {settings.model}` means {spec.title}"
    advice = ""
    if problem := cuda_problem():
        advice = problem
    elif spec.name == "sdxl-lightning" and not gpus:
        advice = "SDXL-Lightning needs a CUDA GPU; use --model miniature here"
    return Finding("device", found, advice)


def _memory(spec: ModelSpec) -> Finding:
    needed = FREE_BYTES[spec.name]
    free = host_memory()
    if free is None:
        return Finding("memory", "free memory is not known on this system")
    advice = "" if free >= needed else f"{spec.title} needs {needed / 2**30:.0f} GiB free"
    return Finding("memory", f"{free / 2**30:.1f} GiB free", advice)


def _plan(settings: Settings, spec: ModelSpec) -> Iterator[Finding]:
    """How the model would be spread over the device now."""
    try:
        from .model.device import free_memory, pick_device
        from .model.memory_plan import plan_memory
        from .model.memory_report import report
    except ImportError as error:
        yield Finding("profile", f"not looked at: {error.name} is not installed")
        return
    try:
        device = pick_device(settings.device)
    except CheckpointError as error:
        yield Finding("profile", settings.device, str(error))
        return
    try:
        plan, free = plan_memory(spec, device), free_memory(device)
    except OutOfMemory as error:
        yield Finding("profile", f"{device}", str(error))
        return
    yield Finding("profile", f"{device}, {plan.describe()}")
    if not spec.small and free is not None:
        for line in report(plan, free, len(spec.checkpoints)):
            yield Finding("", LINE.format(*line))


def _compiler(settings: Settings, spec: ModelSpec) -> Iterator[Finding]:
    """Whether what makes pictures faster can be compiled here; pictures come without, too."""
    on_gpu = has_cuda() and settings.device.startswith(("auto", "cuda"))
    if not settings.compile:
        return
    backend = settings.compile_backend
    if backend == "openvino" or (backend == "auto" and not on_gpu):
        if spec.small and not on_gpu and settings.device in ("auto", "cpu"):
            yield _openvino(spec)
        elif backend == "openvino":
            yield Finding("compiler", "openvino", "it is for the miniature on a CPU: leave it out")
        return
    try:
        compiler_variables(cuda=on_gpu)
    except InvalidSetting as error:
        yield Finding("compiler", f"none, so pictures take longer; {error}")
    else:
        yield Finding("compiler", "C++" + (" and CUDA's headers" if on_gpu else ""))


def _openvino(spec: ModelSpec) -> Finding:
    """Whether OpenVINO is here, and how much faster it was when this machine last served."""
    if problem := openvino_problem():
        return Finding("compiler", f"none, so pictures take longer; {problem}")
    found = f"OpenVINO {importlib.metadata.version('openvino')}"
    # In a process of its own: on some processors it may end there.
    if subprocess.run((sys.executable, "-c", OPENVINO_WORKS), capture_output=True).returncode:  # noqa: S603
        return Finding("compiler", f"{found} does not work here, so pictures take longer")
    latest = max(
        compile_folder().glob(f"{spec.name}-*/{MEASURED}"),
        key=lambda file: file.stat().st_mtime,
        default=None,
    )
    times = read_measured(latest.parent) if latest else {}
    words = (f"{kind} {before:g} -> {after:g} ms" for kind, (before, after) in times.items())
    return Finding("compiler", f"{found}, {', '.join(words) or 'not measured yet'}")


def _weights(spec: ModelSpec) -> Iterator[Finding]:
    try:
        from .model.hub.download import cache_folder, existing_parent
        from .model.hub.files import find
        from .model.weights.weight_file import check_file
    except ImportError as error:
        yield Finding("weights", f"not looked at: {error.name} is not installed")
        return
    wanted = spec.files(*spec.limits.num_inference_steps)
    weights = [(r, file) for r, files in wanted for file in files if file.endswith(".safetensors")]
    for repository, file in weights:
        name = f"{repository.name}/{file}"
        try:
            # A single file is not converted for a look at it.
            path = repository.single_file or find(repository, file, download=False)
        except CheckpointError as error:
            later = f"{name}: not here yet, fetched when first needed or by `download`"
            yield (
                Finding("weights", name, str(error))
                if repository.local
                else Finding("weights", later)
            )
            continue
        try:
            check_file(path, spec.sha256.get(name))
        except CheckpointError as error:
            yield Finding("weights", name, str(error))
        else:
            yield Finding("weights", name)
    if spec.lightning.folder is None:
        yield _disk(existing_parent(cache_folder()))


def _disk(folder: Path) -> Finding:
    return Finding("disk", f"{shutil.disk_usage(folder).free / 1e9:.0f} GB free at {folder}")


def _loras(settings: Settings) -> Iterator[Finding]:
    """Whether the LoRA files can be opened; whether they fit shows when they are added."""
    try:
        from .model.weights.weight_file import check_file
    except ImportError:  # reported with the weights
        return
    try:
        for lora in parse_loras(settings.lora):
            check_file(lora.path)
            yield Finding("style", f"{lora.path} at scale {lora.scale:g}")
    except (InvalidSetting, CheckpointError) as error:
        yield Finding("style", settings.lora, str(error))


def _fallbacks(settings: Settings) -> Iterator[Finding]:
    """Whether those that shall stand by are there, and would paint the same."""
    if not settings.fallback:
        return
    from .engine.build import expected
    from .engine.fallbacks import look_at_fallbacks

    for looked in look_at_fallbacks(settings, expected(settings)):
        if looked.unfit:
            yield Finding("fallback", looked.url, looked.found)
        elif looked.ready:
            yield Finding("fallback", looked.found)
        else:
            yield Finding("fallback", f"not ready, used once it is: {looked.found}")


def _port(settings: Settings) -> Finding:
    try:
        free_port(settings.host, settings.port)
    except InvalidSetting as error:
        return Finding("port", f"{settings.host}:{settings.port}", str(error))
    return Finding("port", f"{settings.host}:{settings.port} is free")
