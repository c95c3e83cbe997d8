"""A list on the page: checked, painted while somebody types on, taken up again, saved as a zip."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from lightning_demo.errors import GenerationFailed
from lightning_demo.schemas import GenerationRequest
from lightning_demo.studio.manifest import COLUMNS, Manifest, Origin, Outcome
from lightning_demo.studio.plan import Picture

from ..web.conftest import Running, wait_for
from ..web.fake_server import fake_server
from ..web.fakes import LIMITS, FakeEngine, color_of
from .conftest import PHONE, Modules, Tabs, Visit

Open = Callable[..., Visit]
LIST = """prompt,seed,size,steps,count
"a {red, blue} house",7,384x256,2,
<img src=x onerror=alert(1)>,1,,,
=1+1,2,,,2
a cat,,9x9,,
"""
SETTLED = "() => lightning.batch?.run && !lightning.batch.run.running"
FORGET = "() => globalThis.lightning?.batch?.store.begin(null)"
ZIP = """async ([files, most]) => {
  const { parts, zip } = await import(new URL("web/zip.js", document.baseURI));
  const blobs = files.map(([name, text]) => ({ name, blob: new Blob([text]) }));
  const at = new Date(2026, 1, 3, 4, 5, 6);
  const zips = await Promise.all(parts(blobs, most).map((part) => zip(part, at)));
  return Promise.all(zips.map(async (each) => [...new Uint8Array(await each.arrayBuffer())]));
}"""
RECORDS = """async (chunks) => {
  const { records } = await import(new URL("web/batch_stream.js", document.baseURI));
  const stream = new ReadableStream({ start: (control) => {
    for (const chunk of chunks) control.enqueue(Uint8Array.from(chunk));
    control.close();
  } });
  const found = [];
  for await (const [header, bytes] of records(stream)) found.push([header.place, [...bytes]]);
  return found;
}"""
KIND = """async (text) => {
  const { kindOf } = await import(new URL("web/batch_source.js", document.baseURI));
  return kindOf(text);
}"""
CSV = """async ([lines, columns]) => {
  const { csvOf, linesOf } = await import(new URL("web/batch_manifest.js", document.baseURI));
  const outcomes = new Map(lines.map((line) => [line.number, line]));
  return csvOf(linesOf(lines.map((line) => ({ ...line, request: line })), outcomes), columns);
}"""


@pytest.fixture
def begin(visit: Open) -> Iterator[Callable[..., Visit]]:
    """Opens a tab and its panel, by keyboard."""
    tabs: list[Visit] = []

    def opened(running: Any, **options: Any) -> Visit:
        tabs.append(visit(running, **options))
        tabs[-1].wait_answered()
        open_panel(tabs[-1])
        return tabs[-1]

    yield opened
    for tab in tabs:
        tab.page.evaluate(FORGET)


def open_panel(tab: Visit) -> None:
    tab.page.get_by_role("button", name="Batch", exact=True).press("Enter")
    tab.page.get_by_role("dialog").wait_for()
    tab.wait("() => ['batch-text', 'batch-go'].includes(document.activeElement.id)")


def check(tab: Visit, text: str) -> None:
    tab.page.locator("#batch-text").fill(text)
    button(tab, "Check").press("Enter")
    tab.wait("() => !['', 'Checking'].includes(document.getElementById('batch-says').textContent)")


def button(tab: Visit, name: str) -> Any:
    return tab.page.get_by_role("dialog").get_by_role("button", name=name, exact=True)


def wait_sums(tab: Visit, words: str) -> None:
    tab.wait("(w) => document.getElementById('batch-sums').textContent.includes(w)", words)


def close(color: Any, prompt: str) -> bool:
    return all(abs(a - b) < 20 for a, b in zip(color, color_of(prompt), strict=True))


def test_from_a_list_to_a_zip(
    own: Callable[..., Running], begin: Callable[..., Visit], tabs: Tabs
) -> None:
    """Lists have a way of their own, however the page's own pictures travel."""
    tab = begin(own(engine := FakeEngine()))
    before = len(engine.works)
    check(tab, LIST)
    assert tab.text("batch-says") == "1 row cannot be painted"
    assert tab.text("batch-faults").startswith("line 5 width: must be a multiple of 8")
    assert len(engine.works) == before, "nothing is painted before all is checked"
    # Painted until it is paused, then taken up by another page.
    engine.fault = lambda asked: (
        GenerationFailed("Not <b>this</b> one.") if asked.seed == 3 else None
    )
    engine.hold()
    button(tab, "Paint the other 5 pictures").press("Enter")
    wait_for(lambda: len(engine.works) == before + 5)
    assert all(work.yields for work in engine.works[before:])
    assert "It gives way to what you type" in tab.text("batch-says")
    button(tab, "Pause").press("Enter")
    tab.wait(SETTLED)
    engine.release()
    tab.page.reload()
    tab.page.wait_for_function("globalThis.lightning?.transport")
    tab.wait_answered()
    tabs.trouble.clear()  # Gradio's own, about a page that goes
    open_panel(tab)
    assert tab.page.locator("#batch-list").is_hidden()
    tab.page.locator("#batch-go").press("Enter")
    tab.wait(SETTLED)
    wait_sums(tab, "4 of 5 pictures · 1 failed")
    assert tab.text("batch-faults") == "line 4 =1+1: Not <b>this</b> one."
    assert tab.page.locator("#batch-pictures img").count() == 4
    # One that has failed is painted again, when somebody wants it.
    engine.fault = lambda asked: None
    button(tab, "Paint the failed again").press("Enter")
    wait_sums(tab, "5 of 5 pictures")
    tab.wait(SETTLED)
    with tab.page.expect_download() as download:
        button(tab, "Save the zip").press("Enter")
    assert download.value.suggested_filename == "lightning-batch.zip"
    with zipfile.ZipFile(download.value.path()) as found:
        assert found.testzip() is None
        rows = list(csv.DictReader(found.read("manifest.csv").decode("utf-8-sig").splitlines()))
        lines = json.loads(found.read("manifest.json"))["pictures"]
        assert tuple(rows[0]) == COLUMNS
        assert [line["number"] for line in lines] == [1, 2, 3, 4, 5]
        assert [row["prompt"] for row in rows] == [
            "a red house",
            "a blue house",
            "<img src=x onerror=alert(1)>",
            "'=1+1",
            "'=1+1",
        ]
        assert {row["model"] for row in rows} == {"miniature"}
        assert [row["template"] for row in rows[:2]] == ["a {red, blue} house"] * 2
        for line, row in zip(lines, rows, strict=True):
            assert (line["error"], row["seed"], row["file"]) == (
                "",
                str(line["seed"]),
                line["file"],
            )
            picture = Image.open(io.BytesIO(found.read(line["file"])))
            assert close(picture.getpixel((5, 5)), line["prompt"])
            inside = json.loads(picture.text["generation"])
            assert ("template" in inside) is ("{" in line["template"])
            assert {name: line[name] for name in inside} == inside
        assert picture.size == (256, 256)
        assert set(found.namelist()) == {
            *(row["file"] for row in rows),
            "manifest.csv",
            "manifest.json",
        }
    # Another list, when that is meant.
    button(tab, "Another list").press("Enter")
    button(tab, "Sure?").press("Enter")
    tab.wait("() => document.activeElement.id === 'batch-text'")
    tab.page.keyboard.press("Escape")
    tab.type("typed on")
    tab.wait_painted("typed on")


def test_a_server_that_is_killed_and_comes_again(begin: Callable[..., Visit], tabs: Tabs) -> None:
    """What it had not sent is asked for again, and the page is the same all the time."""
    with fake_server(step_seconds=0.05) as (child, url):
        tab = begin(SimpleNamespace(url=url), viewport=PHONE)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        tab.page.evaluate("globalThis.same = true")
        check(tab, "\n".join(f"picture {number}" for number in range(200)))
        assert tab.text("batch-says") == "200 pictures, nothing at fault"
        button(tab, "Paint 200 pictures").click()
        tab.wait("() => lightning.batch.store.outcomes.size > 0")
        child.kill()
        tab.wait("() => lightning.batch.run.words.startsWith('The server does not answer')")
        painted = tab.page.evaluate("[...lightning.batch.store.outcomes.keys()]")
    assert 0 < len(painted) < 200
    with fake_server(0.005, urlsplit(url).port or 0):
        wait_sums(tab, "200 of 200 pictures")
        tab.wait(SETTLED)
        assert tab.page.evaluate("same && lightning.batch.store.outcomes.size === 200")
        tab.wait("() => lightning.panel.online")
        tab.page.evaluate(FORGET)
        tab.page.goto("about:blank")
    tabs.trouble.clear()  # the browser's own words for a server that is not there


def test_whoever_presses_last_goes_on_and_the_other_tab_says_so(
    own: Callable[..., Running], begin: Callable[..., Visit]
) -> None:
    running = own(FakeEngine())
    tab, other = begin(running), begin(running)
    engine: FakeEngine = running.engine
    check(tab, "\n".join(f"more {number}" for number in range(6)))
    engine.hold()
    button(tab, "Paint 6 pictures").click()
    wait_sums(other, "0 of 6 pictures")
    button(other, "Paint").click()
    tab.wait("() => lightning.batch.run.words === 'It goes on in another tab.'")
    engine.release()
    wait_sums(other, "6 of 6 pictures")


def test_what_is_typed_comes_first(
    own: Callable[..., Running], begin: Callable[..., Visit]
) -> None:
    """Over Gradio's events, where each key needs one of the browser's connections."""
    engine = FakeEngine(step_seconds=0.05)
    tab = begin(own(engine, transport="events"))
    check(tab, "prompt,count\na cat,1000\n")
    button(tab, "Paint 1,000 pictures").press("Enter")
    wait_for(lambda: any(work.yields for work in engine.works))
    tab.page.keyboard.press("Escape")
    tab.type("typed on")
    tab.wait_painted("typed on")
    assert tab.page.evaluate("lightning.batch.run.running && lightning.batch.run.left.length > 0")
    mixed = [call for call in engine.calls if len(set(call)) > 1]
    assert not mixed, "what is typed shares no call with what gives way"
    opener = tab.page.locator("#batch-open")
    assert "of 1000" in str(opener.get_attribute("title"))
    tab.page.evaluate("lightning.batch.run.pause()")


def test_files_and_words_of_lists(
    own: Callable[..., Running], begin: Callable[..., Visit], tmp_path: Path, tabs: Tabs
) -> None:
    tab = begin(own())
    (tmp_path / "animal.txt").write_text("cat\n")
    (tmp_path / "list.csv").write_bytes("prompt;negative\na __animal__ ü;fog\n".encode("utf-16"))
    tab.page.set_input_files("#batch-words", tmp_path / "animal.txt")
    assert button(tab, "1 word list").is_visible()
    tab.page.set_input_files("#batch-file", tmp_path / "list.csv")
    button(tab, "Paint 1 picture").wait_for()
    (picture,) = tab.page.evaluate("lightning.batch.list.found.pictures")
    assert picture["request"]["prompt"] == "a cat ü"
    assert picture["request"]["negative_prompt"] == "fog"
    (tmp_path / "list.xlsx").write_bytes(b"PK")
    tab.page.set_input_files("#batch-file", tmp_path / "list.xlsx")
    tab.wait("() => document.getElementById('batch-says').textContent.includes('say how it is')")
    (tmp_path / "large.csv").write_bytes(b"prompt\n" + b"a cat\n" * 700_000)
    tab.page.set_input_files("#batch-file", tmp_path / "large.csv")
    tab.wait("() => document.getElementById('batch-says').textContent.includes('4 MiB')")
    (tmp_path / "long.txt").write_bytes(b"a cat\n" * 100_000)
    tab.page.set_input_files("#batch-file", tmp_path / "long.txt")
    tab.wait("() => document.getElementById('batch-says').textContent.includes('10,000 rows')")
    (told,) = tabs.trouble
    assert "422" in told
    tabs.trouble.clear()
    button(tab, "Without the file").click()
    assert tab.page.locator("#batch-text").is_enabled()


NO_DATABASE = "Object.defineProperty(globalThis, 'indexedDB', { get() { throw new Error('no'); } })"
# Answers to checks come when the test lets them: `held` are functions that wait until all is done.
HOLD_ANSWERS = """() => {
  globalThis.held = [];
  const { fetch: ask } = globalThis;
  globalThis.fetch = async (...asked) => {
    const answer = await ask(...asked);
    if (!String(asked[0]).endsWith("/batch")) return answer; // what else the page asks for
    await new Promise((go) => held.push(() => {
      go();
      return new Promise((end) => setTimeout(end));
    }));
    return answer;
  };
}"""
FULL = """
globalThis.room = Infinity;
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (value, ...rest) {
  const batch = this.name === "pictures" && this.transaction.db.name === "lightning-batch";
  if (!batch || room-- > 0) return put.call(this, value, ...rest);
  this.transaction.abort();
  throw new DOMException("full", "QuotaExceededError");
};
"""


def test_a_browser_that_keeps_nothing_says_so(
    own: Callable[..., Running], begin: Callable[..., Visit]
) -> None:
    tab = begin(own(), init=NO_DATABASE)
    check(tab, "a cat\na dog")
    button(tab, "Paint 2 pictures").click()
    wait_sums(tab, "2 of 2 pictures")
    tab.wait(SETTLED)
    assert "gone when this tab is closed" in tab.text("batch-says")
    with tab.page.expect_download() as download:
        button(tab, "Save the zip").click()
    with zipfile.ZipFile(download.value.path()) as found:
        assert len(found.namelist()) == 4


def test_a_full_browser_makes_room(
    own: Callable[..., Running], begin: Callable[..., Visit]
) -> None:
    tab = begin(own(), init=FULL)
    check(tab, "\n".join(f"p{number}" for number in range(6)))
    tab.page.evaluate("room = 2")
    button(tab, "Paint 6 pictures").click()
    tab.page.get_by_text("no room left. Save the zip, then make room.").wait_for()
    wait_sums(tab, "2 of 6 pictures")
    with tab.page.expect_download() as download:
        button(tab, "Save the zip").click()
    with zipfile.ZipFile(download.value.path()) as found:
        first = set(found.namelist())
    tab.page.evaluate("room = Infinity")
    button(tab, "Make room").click()
    wait_sums(tab, "6 of 6 pictures")
    tab.wait(SETTLED)
    with tab.page.expect_download() as download:
        button(tab, "Save the zip").click()
    with zipfile.ZipFile(download.value.path()) as found:
        second = set(found.namelist())
    manifests = {"manifest.csv", "manifest.json"}
    assert first & second == manifests
    assert len(first | second) == 6 + 2
    # Another list's pictures are in no zip yet, and are not let go of.
    for _ in range(2):
        tab.page.locator("#batch-new").click()
    check(tab, "a cat")
    tab.page.evaluate("room = 0")
    button(tab, "Paint 1 picture").click()
    tab.page.get_by_text("no room left. Save the zip, then make room.").wait_for()
    assert button(tab, "Make room").is_disabled()
    tab.page.evaluate("room = Infinity")


def test_an_answer_about_another_list_is_not_told(
    own: Callable[..., Running], begin: Callable[..., Visit]
) -> None:
    tab = begin(own())
    tab.page.evaluate(HOLD_ANSWERS)
    field = tab.page.locator("#batch-text")
    field.fill("a cat")
    button(tab, "Check").press("Enter")
    tab.wait("() => held.length === 1")
    field.fill("a dog\na bird")
    tab.page.evaluate("held[0]()")
    assert tab.text("batch-says") == ""
    assert tab.page.locator("#batch-paint").is_hidden()
    for pressed in (2, 3):
        button(tab, "Check").press("Enter")
        tab.wait("(count) => held.length === count", pressed)
        field.fill("a dog")
    button(tab, "Check").press("Enter")
    tab.wait("() => held.length === 4")
    tab.page.evaluate("held[3]().then(held[1]).then(held[2])")  # the newest first
    button(tab, "Paint 1 picture").wait_for()
    assert len(tab.page.evaluate("lightning.batch.list.found.pictures")) == 1


def test_a_list_is_read_as_it_looks(modules: Modules) -> None:
    for text, kind in (
        ("a cat\na dog", "text"),
        ("", "text"),
        ("{house, boat} at night", "text"),
        ("a prompt, a cat", "text"),
        ("7", "text"),
        ("prompt", "csv"),
        ("\n prompt;seed\na;1", "csv"),
        ('"prompt","negative_prompt"\r\n', "csv"),
        ('{"prompt": "a"}\n', "jsonl"),
        ('"a cat"', "jsonl"),
    ):
        assert modules.page.evaluate(KIND, text) == kind, text


def test_records_however_they_arrive(modules: Modules) -> None:
    data = b""
    for place, content in ((1, b"abc"), (0, b""), (2, bytes(range(256)))):
        head = json.dumps({"place": place, "bytes": len(content)}).encode()
        data += len(head).to_bytes(4, "big") + head + content
    data += data[:20]  # one more, cut short
    wanted = [[1, list(b"abc")], [0, []], [2, list(range(256))]]
    for size in (1, 7, 1000):
        chunks = [list(data[at : at + size]) for at in range(0, len(data), size)]
        assert modules.page.evaluate(RECORDS, chunks) == wanted, size


def test_zips_as_pythons_zipfile_reads_them(modules: Modules) -> None:
    files = [["a.txt", "x" * 1000], ["ü/猫.txt", "the cat"], ["empty", ""], ["b", "y" * 600]]
    (one,) = modules.page.evaluate(ZIP, [files, 2**31])
    with zipfile.ZipFile(io.BytesIO(bytes(one))) as found:
        assert found.testzip() is None
        assert [[name, found.read(name).decode()] for name in found.namelist()] == files
        assert found.infolist()[0].date_time == (2026, 2, 3, 4, 5, 6)
    parts = modules.page.evaluate(ZIP, [files, 1000])
    names = [zipfile.ZipFile(io.BytesIO(bytes(part))).namelist() for part in parts]
    assert names == [["a.txt"], ["ü/猫.txt", "empty", "b"]]


def test_the_manifest_is_the_command_lines(modules: Modules, tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.begin(Origin("", 1))
    prompts = ('=SUM(A1), "so"', "-1", "@a", "+b", "a cat", "猫, two\u2028lines")
    for number, prompt in enumerate(prompts, 1):
        asked = GenerationRequest.parse({"prompt": prompt, "seed": number}, LIMITS)
        picture = Picture(number, number + 1, f"\t{prompt}", asked)
        manifest.add(Outcome(picture, f"{number}.png", 1.23456, "m", ("one", "=two"), ""))
    manifest.write_table()
    lines = [{"number": number, **line} for number, line in manifest.lines.items()]
    text: str = modules.page.evaluate(CSV, [lines[::-1], list(COLUMNS)])
    wanted = (tmp_path / "manifest.csv").read_bytes().decode()

    def read(table: str) -> list[list[str]]:
        rows = list(csv.reader(io.StringIO(table, newline="")))
        return [
            [f"{float(c):g}" if c.replace(".", "").isdigit() else c for c in row] for row in rows
        ]

    assert read(text) == read(wanted)
