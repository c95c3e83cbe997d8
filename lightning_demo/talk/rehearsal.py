"""The `doctor --talk` command: a talk's first minute, with the network off, and what is in its way.

The real server is started in this process, its pages are opened, and pictures are painted, while no
name of another machine can be found. What it costs is measured; how long a hall would wait is
simulated from that.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import segno

from ..doctor_versions import Finding
from ..errors import CheckpointError, InvalidSetting, LightningError
from ..model.device import choose_model
from ..model.weights.model_spec import ModelSpec
from ..ports import free_port
from ..reachable import urls
from ..settings import Settings
from .laptop import firewall, power, screens
from .offline import without_network

if TYPE_CHECKING:
    from ..bench.first_minute import Waits

LOW_BATTERY = 50  # percent, of a laptop that is plugged in now
DISK_BYTES = 2 * 2**30  # beside what the APIs may keep
SMALLEST = 720  # lines of a projector below which a wall's words are hard to read
PATIENT = 10.0  # seconds that a hall waits for a picture
LONG = "{:.0f} s are long: end other programs, and take a smaller size or fewer steps"
GREEN, PLAIN = "\033[32m", "\033[0m"


@dataclass(frozen=True, slots=True)
class Note(Finding):
    """Something worth knowing, that is in nobody's way."""


def rehearse(settings: Settings, phones: int = 0) -> int:
    """Prints what was found; returns 0 when the talk can begin, 1 when something is to be mended.

    Args:
        phones: that will come, 0 to 1000; 0: there is no audience, only the presenter types.

    Raises:
        InvalidSetting: the number is out of range.
    """
    if not 0 <= phones <= 1000:
        raise InvalidSetting("phones: must be a whole number from 0 to 1000.")
    settings = replace(settings, stage=True, audience=phones > 0, kiosk=0.0)
    to_mend: list[Finding] = []
    with without_network() as tried:
        for finding in _findings(settings, phones):
            mark = "!!" if finding.advice else "--" if isinstance(finding, Note) else "ok"
            print(f"{mark}  {finding.what:<10} {finding.found}", flush=True)
            if finding.advice:
                to_mend.append(finding)
        if outside := sorted(set(tried)):
            found = f"it asked for {', '.join(outside[:5])}, and went on without"
            print(f"--  {'network':<10} {found}")
        else:
            print(f"ok  {'network':<10} off, and nothing asked for it")
    print()
    if not to_mend:
        print(_green("Ready for the talk."))
        return 0
    print(f"{len(to_mend)} thing(s) to mend before the talk:")
    for finding in to_mend:
        print(f"  * {finding.what}: {finding.advice}")
    return 1


def _findings(settings: Settings, phones: int) -> Iterator[Finding]:
    spec = choose_model(settings)
    yield from _weights(spec)
    yield from _serving(settings, phones)
    yield from _phones(settings, phones)
    yield _disk(settings)
    yield _power()
    yield from _screens()


def _weights(spec: ModelSpec) -> Iterator[Finding]:
    """Whether every file of the usual step count is here, and is what was published."""
    from ..model.hub.download import blob_of
    from ..model.hub.files import check, find
    from ..model.weights.weight_file import check_file

    steps = spec.limits.default_steps
    wrong, seen = [], 0
    for repository, files in spec.files(steps):
        for file in files:
            try:
                path = repository.single_file or find(repository, file, download=False)
                if blob_of(path) is not None:
                    check(repository, file)
                elif path.suffix == ".safetensors":
                    check_file(path, spec.sha256.get(f"{repository.name}/{file}"))
            except CheckpointError as error:
                wrong.append(str(error))
            else:
                seen += 1
    if wrong:
        advice = (
            f"fetch them while there is a network: python -m lightning_demo download; {wrong[0]}"
        )
        yield Finding("weights", f"{len(wrong)} of {seen + len(wrong)} files are not right", advice)
    else:
        yield Finding("weights", f"{spec.title} for {steps} steps: {seen} files, hashes compared")


def _serving(settings: Settings, phones: int) -> Iterator[Finding]:
    """The port, and the server: the one that runs there already, or one for this rehearsal."""
    from ..bench.first_minute import RunningDemo, is_demo, open_pages, time_pictures

    place = f"{settings.host}:{settings.port}"
    ours = settings.port > 0 and is_demo(settings)
    if not ours:
        try:
            free_port(settings.host, settings.port)
        except InvalidSetting as error:
            yield Finding("port", f"{place}: something else is there", str(error))
        else:
            yield Finding("port", f"{place} is free")
    with ExitStack() as stack:
        try:
            if ours:
                yield Finding("port", f"{place}: the demo runs there already")
                demo = RunningDemo.at(settings)
            else:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                demo = stack.enter_context(RunningDemo.started(settings, Path(folder)))
            yield Finding("pages", open_pages(demo))
            times = time_pictures(demo)
        except LightningError as error:
            yield Finding("server", "no picture came", str(error))
            return
        yield Finding("server", times.words)
        if times.getting_faster:
            yield Note("server", "it is not compiled yet: run `python -m lightning_demo compile`")
        painting = min(phones, settings.audience_seats)
        yield from _waiting(demo.forecast(times, painting), painting)
        if phones > painting:
            yield _line(phones, painting)


def _waiting(waits: Waits | None, phones: int) -> Iterator[Finding]:
    """How long everybody would wait for a picture; None: not known."""
    if waits is None:
        yield Note("waiting", "not simulated: end the demo that runs already to have that told")
        return
    half, most = waits.presenter
    found = f"you: {half:.1f} s from the last key to the finished picture, "
    found += f"{most:.1f} s at most for 95 of 100 (simulated)"
    if phones:
        found += f"; without the phones {waits.alone[0]:.1f} s"
    yield Finding("waiting", found, LONG.format(most) if most > PATIENT else "")
    if waits.phones is None:
        return
    half, most = waits.phones
    who = "1 phone that paints" if phones == 1 else f"{phones} phones that paint at once"
    advice = ""
    if most > PATIENT:
        advice = f"{most:.0f} s are long: let fewer paint at once, "
        advice += f"--audience-seats {phones // 2}" if phones > 1 else "or start without --audience"
    yield Finding("waiting", f"{who}: {half:.1f} s, {most:.1f} s at most for 95 of 100", advice)


def _line(phones: int, seats: int) -> Note:
    """How long the last of so many phones may stand in line for a seat."""
    from ..bench.first_minute import last_turn

    longest = last_turn(phones, seats)
    span = f"{longest / 60:.0f} min" if longest >= 120 else f"{longest:.0f} s"
    found = f"{seats} of {phones} phones paint at once, the last one's turn comes within {span}"
    return Note("seats", f"{found}: --audience-seats N for more at once")


def _phones(settings: Settings, phones: int) -> Iterator[Finding]:
    """Where other machines find the demo, as a QR code, too."""
    port = settings.port or 7860
    found = urls(settings.host, port, https=bool(settings.tls_cert))
    if not found:
        if urls("0.0.0.0", port):  # noqa: S104 - as it would be
            said, advice = "this machine only", "start with --host 0.0.0.0 for phones to come in"
        else:
            said, advice = "no network", "join one, or make this laptop an access point"
        if phones:
            yield Finding("address", said, advice)
        else:
            yield Note("address", f"{said}: enough for one laptop and a projector")
        return
    yield Finding("address", " or ".join(found))
    print(_qr(found[0]), flush=True)
    if hint := firewall(port):
        yield Note("firewall", hint)


def _qr(url: str) -> str:
    """The address as a terminal shows it; nothing where that has no such characters."""
    drawing = io.StringIO()
    segno.make(url, error="m", micro=False).terminal(out=drawing, compact=True)
    text = drawing.getvalue().rstrip("\n")
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ""
    return text


def _disk(settings: Settings) -> Finding:
    from ..model.hub.download import existing_parent
    from ..settings import files_folder

    folder = existing_parent(files_folder(settings) or Path(tempfile.gettempdir()))
    free, wanted = shutil.disk_usage(folder).free, DISK_BYTES + settings.files_mb * 2**20
    advice = f"free {(wanted - free) / 1e9:.1f} GB at {folder}" if free < wanted else ""
    return Finding("disk", f"{free / 1e9:.0f} GB free at {folder}", advice)


def _power() -> Finding:
    found = power()
    if found is None:
        return Note("power", "no battery, or this system does not tell of it: plug it in")
    battery = f"battery at {found.percent}%"
    if not found.plugged:
        return Finding("power", f"on {battery}", "plug it in: on battery pictures are slower")
    if found.percent < LOW_BATTERY:
        return Note("power", f"plugged in, {battery}: should the plug come out, it is soon over")
    return Finding("power", f"plugged in, {battery}")


def _screens() -> Iterator[Finding]:
    found = screens()
    if not found:
        yield Note("screens", "this system does not tell; the wall fits any, from 1280 x 720 on")
        return
    heights = [text.rpartition("x")[2].strip().partition(" ")[0] for text in found]
    small = [h for h in heights if h.isdigit() and int(h) < SMALLEST]
    yield Finding("screens", ", ".join(found))
    if small:
        yield Note("screens", f"{small[0]} lines are few: big words, `over` the picture, fit best")
    if len(found) == 1:
        yield Note("screens", "one so far: plug the projector in and extend, do not mirror")


def _green(text: str) -> str:
    return f"{GREEN}{text}{PLAIN}" if sys.stdout.isatty() else text
