"""The timeline: every finished picture is kept in the browser, and can be gone back to."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lightning_demo.studio.animation import EACH_MS, LAST_MS
from lightning_demo.xmp import SOURCE_TYPE

from ..films import decoded
from ..web.conftest import Running
from ..web.fakes import color_of
from .conftest import PHONE, Modules, Visit
from .test_from_picture import drop

Open = Callable[..., Visit]
WORDS = ("a red house", "a blue boat", "a green tree")
FORGET = """() => globalThis.lightning?.timeline.store.remove(
  lightning.timeline.entries.map(({ id }) => id))"""
ALL_KEPT = "lightning.timeline.work"  # a promise: of what has been painted so far
KEPT = "() => lightning.timeline.entries.map(({ request }) => request.prompt)"
READ = """async ([text, times]) => {
  const { readTrack } = await import(new URL("web/timeline_track.js", document.baseURI));
  return readTrack(new Blob([text.repeat(times)])).then(
    (cues) => ({ requests: cues.map(({ request }) => request) }), ({ message }) => ({ message }));
}"""
STORE = """async (sizes) => {
  const { TimelineStore } = await import(new URL("web/timeline_store.js", document.baseURI));
  const store = new TimelineStore(() => {}, { budget: 100, most: 4 });
  await store.load();
  await store.remove([...store.entries.keys()]);
  const kept = () => [...store.entries.values()].map(({ key }) => key);
  const told = [];
  for (const [key, size] of sizes) {
    const blob = new Blob(["x".repeat(size)]);
    const id = await store.add({ key, request: { prompt: key }, blob });
    if (key === "pinned") await store.change(id, { pinned: true });
    told.push(kept());
  }
  const again = new TimelineStore(() => {});
  await again.load();
  const left = [...again.entries.values()].map(({ key }) => key);
  await again.remove([...again.entries.keys()]); // the next page would show them
  return [told, left];
}"""


def close(color: tuple[int, ...], prompt: str) -> bool:
    return all(abs(a - b) < 20 for a, b in zip(color, color_of(prompt), strict=True))


def kept(tab: Visit) -> list[str]:
    found: list[str] = tab.page.evaluate(KEPT)
    return found


def track(requests: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": "lightning-track", "version": 1, "requests": requests}


def wait_kept(tab: Visit, *prompts: str) -> None:
    tab.wait(
        f"(wanted) => JSON.stringify(({KEPT})()) === wanted",
        json.dumps(list(prompts), separators=(",", ":")),
    )


def paint(tab: Visit, *prompts: str) -> None:
    for prompt in prompts:
        tab.prompt.fill(prompt)
        tab.wait_painted(prompt)
        tab.page.evaluate(ALL_KEPT)


@pytest.fixture
def begin(visit: Open) -> Callable[..., Visit]:
    """Opens a tab whose timeline is empty."""

    def opened(running: Running, **options: Any) -> Visit:
        tab = visit(running, **options)
        tab.wait_answered()
        tab.page.evaluate(ALL_KEPT)
        tab.page.evaluate(FORGET)
        return tab

    return opened


@pytest.fixture
def forgetful(again: Visit) -> Iterator[Visit]:
    """A page whose timeline is empty."""
    again.page.evaluate(ALL_KEPT)
    again.page.evaluate(FORGET)
    yield again
    again.page.evaluate(FORGET)


def test_back_to_an_earlier_picture_and_its_settings(
    own: Callable[..., Running], begin: Callable[..., Visit]
) -> None:
    """Of pictures that came over events; all others here come over sockets."""
    tab = begin(own(transport="events"))
    tab.page.locator("#steps input[value='2']").check(force=True)
    paint(tab, WORDS[0])
    tab.page.locator("#steps input[value='8']").check(force=True)
    paint(tab, *WORDS[1:])
    paint(tab, "a red house by")
    moments = tab.page.locator(".moment")
    assert moments.last.get_attribute("aria-current") == "true"
    first = next(i for i, prompt in enumerate(kept(tab)) if prompt == WORDS[0])
    before = kept(tab)
    moments.nth(first).click()
    assert tab.prompt.input_value() == WORDS[0]
    assert tab.request()["num_inference_steps"] == 2
    assert tab.wait_answered()["prompt"] == WORDS[0]
    assert close(tab.color(), WORDS[0])
    assert kept(tab) == before, "what is there is not kept twice"
    assert moments.nth(first).get_attribute("aria-current") == "true"
    tab.page.evaluate(FORGET)


def test_the_slider_shows_without_asking_and_asks_when_it_is_let_go(forgetful: Visit) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    sequence = tab.sequence()
    slider = tab.page.get_by_label("Earlier pictures")
    slider.evaluate("s => { s.value = 0; s.dispatchEvent(new Event('input', { bubbles: true })); }")
    tab.wait("(prompt) => lightning.request.prompt === prompt", WORDS[0])
    wait_color(tab, WORDS[0])
    assert tab.sequence() == sequence
    assert slider.get_attribute("aria-valuetext") == f"1 of 3: {WORDS[0]}"
    slider.focus()
    slider.press("ArrowRight")
    assert tab.wait_painted(WORDS[1])["sequence"] > sequence


def wait_color(tab: Visit, prompt: str) -> None:
    tab.wait(
        """(wanted) => {
          const canvas = document.getElementById("canvas");
          const middle = [canvas.width / 2, canvas.height / 2, 1, 1];
          const { data } = canvas.getContext("2d").getImageData(...middle);
          return wanted.every((value, at) => Math.abs(value - data[at]) < 20);
        }""",
        list(color_of(prompt)),
    )


def test_it_outlives_the_page_and_keeps_names_and_pins(forgetful: Visit) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    page = tab.page
    page.locator(".moment").first.click()
    page.click("#timeline-more")
    page.get_by_label("Name of this picture").fill("The first <b>")
    page.click("#timeline-pin")
    page.evaluate(ALL_KEPT)
    page.evaluate("lightning.timeline.store.load()")  # which waits for what is being written
    page.reload()
    tab.wait("() => globalThis.lightning?.timeline?.entries.length >= 3")
    tab.wait_answered()
    tab.page.evaluate(ALL_KEPT)
    first = page.locator(".moment").first
    assert first.get_attribute("title") == "The first <b>"
    assert "pinned" in (first.get_attribute("class") or "")
    page.click("#timeline-more")
    page.click("#timeline-clear")
    page.evaluate("lightning.timeline.draw()")  # as when a picture comes
    assert "Really forget" in page.inner_text("#timeline-clear")
    page.click("#timeline-clear")
    wait_kept(tab, WORDS[0])
    page.keyboard.press("Escape")
    assert page.locator("#timeline-menu").is_hidden()
    page.keyboard.press("Enter")  # at the button, which has the focus again
    assert page.locator("#timeline-menu").is_visible()
    page.get_by_label("Prompt", exact=True).focus()
    assert page.locator("#timeline-menu").is_hidden(), "nothing else is open behind it"


def test_one_is_removed_and_two_tabs_show_the_same(
    begin: Callable[..., Visit], visit: Open, own: Callable[..., Running]
) -> None:
    tab, other = begin(own()), visit(own())
    other.wait_answered()
    paint(tab, *WORDS)
    other.wait(
        "(prompt) => lightning.timeline.entries.at(-1)?.request.prompt === prompt", WORDS[-1]
    )
    gone, number = tab.page.evaluate(
        "(({ request, id }) => [request.prompt, id])(lightning.timeline.entries[1])"
    )
    tab.page.click(f'.moment[data-id="{number}"]')
    tab.wait("(id) => lightning.timeline.chosen === id", number)
    tab.page.click("#timeline-more")
    tab.page.click("#timeline-remove")
    for each in (tab, other):
        each.wait(f"(gone) => !({KEPT})().includes(gone)", gone)


def test_what_is_removed_while_it_is_painted_once_more_does_not_come_back(
    forgetful: Visit,
) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    finals = "lightning.painted.filter(({ final }) => final).length"
    before = tab.page.evaluate(finals)
    tab.page.evaluate(
        "() => { const { timeline } = lightning; timeline.take(timeline.entries[0].id);"
        "return timeline.remove(); }"
    )
    tab.wait(f"(before) => {finals} > before", before)
    tab.page.evaluate(ALL_KEPT)
    assert tab.page.evaluate(KEPT) == list(WORDS[1:])
    paint(tab, WORDS[1], WORDS[0])
    assert tab.page.evaluate(KEPT) == [*WORDS[1:], WORDS[0]], "asked for since"


def test_who_removes_quickly_removes_those_that_are_shown(forgetful: Visit) -> None:
    """A second press comes before the database has let go of the first."""
    tab = forgetful
    paint(tab, *WORDS, "a cat", "a dog")
    left = tab.page.evaluate(
        "async () => { const { timeline } = lightning; timeline.show(timeline.entries[2].id);"
        "const both = [timeline.remove(), timeline.remove()];"
        "timeline.show(timeline.entries[0].id);"
        "await Promise.all(both); return timeline.entry.request.prompt; }"
    )
    assert left == WORDS[0] and kept(tab) == [*WORDS[:2], "a dog"]


def test_a_name_stays_with_the_picture_that_it_was_typed_for(forgetful: Visit) -> None:
    tab = forgetful
    paint(tab, *WORDS[:2])
    tab.page.locator(".moment").first.click()
    tab.wait_painted(WORDS[0])
    tab.page.evaluate(ALL_KEPT)
    tab.page.click("#timeline-more")
    tab.page.keyboard.type("the first")
    tab.page.evaluate("lightning.timeline.show(lightning.timeline.entries[1].id)")
    tab.page.keyboard.press("Enter")
    tab.wait("() => lightning.timeline.entries[0].name === 'the first'")
    assert tab.page.evaluate("lightning.timeline.entries[1].name") == ""


def test_what_is_kept_late_is_forgotten_with_all(forgetful: Visit) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    tab.page.evaluate(
        "async () => { const { timeline, sequence } = lightning; const [first] = timeline.entries;"
        "const { request, model, blob } = first;"
        "timeline.keep({ ...request, prompt: 'a late one' }, model, blob, blob.type, 5, sequence);"
        "await timeline.clear(); await timeline.clear(); await timeline.work; }"
    )
    assert kept(tab) == []
    paint(tab, WORDS[0])
    assert kept(tab) == [WORDS[0]], "asked for since"


def test_a_picture_that_is_kept_late_does_not_take_the_choice_away(forgetful: Visit) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    chosen = tab.page.evaluate(
        "async () => { const { timeline, sequence } = lightning; const [first] = timeline.entries;"
        "const { request, model, blob } = first;"
        "timeline.keep({ ...request, prompt: 'a late one' }, model, blob, blob.type, 5, sequence);"
        "timeline.show(first.id); await timeline.work;"
        "return [timeline.chosen === first.id, timeline.entries.length]; }"
    )
    assert chosen == [True, 4]


def test_nor_does_one_that_is_decoded_late(forgetful: Visit) -> None:
    """It is on the canvas only after somebody has gone elsewhere, and asked for that anew."""
    tab = forgetful
    paint(tab, *WORDS)
    chosen = tab.page.evaluate(
        """async () => {
          const { timeline, painter, request } = lightning;
          const { decoder } = painter;
          const last = request.num_inference_steps;
          const until = async (ready) => {
            while (!ready()) await new Promise((go) => setTimeout(go));
          };
          let finish;
          decoder.decode = (...given) => new Promise((go) => {
            delete decoder.decode; // it is the only one that is held
            finish = () => go(decoder.decode(...given));
          });
          lightning.submit(); // the newest picture once more
          const { sequence } = lightning;
          await until(() => painter.shown === sequence && painter.step === last);
          const chosen = [];
          timeline.draw = function (...given) {
            chosen.push(this.entry.request.prompt);
            return Object.getPrototypeOf(this).draw.call(this, ...given);
          };
          const late = []; // so that the next final does not replace the older request's
          painter.offer = (...frame) => late.push(frame);
          timeline.take(timeline.entries[0].id);
          finish();
          await until(() => lightning.settled >= sequence);
          delete painter.offer;
          for (const frame of late) painter.offer(...frame);
          await until(() => lightning.answered);
          await timeline.work;
          delete timeline.draw;
          return chosen;
        }"""
    )
    assert chosen == [WORDS[0], WORDS[0]], "after each of the two"


def test_played_back_until_somebody_types(forgetful: Visit) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    tab.page.evaluate(
        "() => { globalThis.shown = []; const { recalled } = lightning;"
        "const show = recalled.show.bind(recalled); recalled.show = (request, ...rest) => {"
        "  shown.push(request.prompt); return show(request, ...rest); }; }"
    )
    tab.page.click("#timeline-play")
    tab.wait("(last) => shown.at(-1) === last && !lightning.timeline.running", WORDS[-1])
    assert list(dict.fromkeys(tab.page.evaluate("shown"))) == list(WORDS)
    assert tab.page.get_attribute("#timeline-play", "aria-pressed") == "false"
    tab.page.click("#timeline-play")
    tab.prompt.press("ControlOrMeta+a")
    assert not tab.page.evaluate("lightning.timeline.running"), "what is selected stays so"
    tab.prompt.press_sequentially("a boat now")
    tab.wait_painted("a boat now")
    assert tab.prompt.input_value() == "a boat now"
    tab.page.evaluate(ALL_KEPT)
    tab.page.click("#timeline-play")
    tab.page.locator("[data-example]").first.click()
    tab.wait("() => !lightning.timeline.running && lightning.answered")
    example = tab.page.locator("[data-example]").first.get_attribute("data-example")
    assert tab.request()["prompt"] == tab.prompt.input_value() == example


def test_a_track_that_is_opened_while_it_plays_is_painted(forgetful: Visit) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    requests = tab.page.evaluate("lightning.timeline.entries.map(({ request }) => request)")
    tab.page.click("#timeline-play")
    drop(tab, json.dumps(track(requests[:2])).encode(), "application/json")
    tab.page.locator("#timeline-says").get_by_text("2 painted", exact=True).wait_for()
    assert tab.request()["prompt"] == WORDS[1]


def test_a_track_waits_while_the_page_is_paused(forgetful: Visit) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    requests = tab.page.evaluate("lightning.timeline.entries.map(({ request }) => request)")
    tab.page.evaluate(FORGET)
    tab.page.evaluate("lightning.paused = true")
    named = [{**each, "name": each["prompt"].title()} for each in requests]
    drop(tab, json.dumps(track(named)).encode(), "application/json")
    tab.wait("() => lightning.timeline.running")
    tab.page.evaluate("new Promise((end) => setTimeout(end, 700))")  # longer than each is shown
    assert kept(tab) == [] and tab.request()["prompt"] == WORDS[-1]
    tab.page.evaluate("lightning.paused = false")
    tab.page.locator("#timeline-says").get_by_text("3 painted", exact=True).wait_for()
    names = tab.page.evaluate("lightning.timeline.entries.map(({ name }) => name)")
    assert names == [prompt.title() for prompt in WORDS]


def test_a_track_is_saved_and_painted_again(forgetful: Visit, tmp_path: Path) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    pixels = {entry["prompt"]: entry["seed"] for entry in tab.painted()}
    tab.page.click("#timeline-more")
    with tab.page.expect_download() as download:
        tab.page.click("#timeline-track")
    file = tmp_path / "track.json"
    download.value.save_as(file)
    assert [each["prompt"] for each in json.loads(file.read_text())["requests"]] == list(WORDS)
    with tab.page.expect_download() as sheet:
        tab.page.click("#timeline-sheet")
    with Image.open(io.BytesIO(sheet.value.path().read_bytes())) as image:
        assert image.size == (16 + 3 * 272, 16 + 256 + 54 + 16)
        for place, prompt in enumerate(WORDS):
            assert close(image.getpixel((16 + 272 * place + 128, 144))[:3], prompt)
    tab.page.evaluate(FORGET)
    tab.page.set_input_files("#timeline-file", file)
    wait_kept(tab, *WORDS)
    tab.wait("() => document.getElementById('timeline-says').textContent === '3 painted'")
    again = {entry["prompt"]: entry["seed"] for entry in tab.painted()}
    assert again.items() >= pixels.items()
    # Dropped anywhere on the page, too, which says why where it is none.
    tab.page.evaluate(FORGET)
    drop(tab, file.read_bytes(), "application/json")
    wait_kept(tab, *WORDS)
    tab.wait("() => document.getElementById('timeline-says').textContent === '3 painted'")
    drop(tab, b"[]", "application/json")
    tab.page.get_by_text("That file is no track of this demo.").wait_for()


def test_films(forgetful: Visit, tmp_path: Path) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    tab.page.click("#timeline-more")
    for kind in ("gif", "webp"):
        with tab.page.expect_download() as download:
            tab.page.click(f"#timeline-{kind}")
        with Image.open(io.BytesIO(download.value.path().read_bytes())) as film:
            assert film.format == kind.upper()
            assert (film.n_frames, film.width) == (3, 256)  # type: ignore[attr-defined]
            for number, prompt in enumerate(WORDS):
                film.seek(number)
                assert close(film.convert("RGB").getpixel((128, 100)), prompt)
    assert tab.text("timeline-says") == "Saved as lightning.webp"
    with tab.page.expect_download() as download:
        tab.page.click("#timeline-film")
    assert download.value.suggested_filename == "lightning.mp4"
    made = download.value.path().read_bytes()
    assert SOURCE_TYPE.encode() in made
    frames = [picture for _, picture in decoded(made)]
    assert len(frames) == 2 + LAST_MS // EACH_MS
    for number, prompt in enumerate(WORDS):
        assert frames[number].size == (256, 256 + 48), "words are below"
        assert close(frames[number].getpixel((128, 100)), prompt)
    assert tab.text("timeline-says") == "Saved as lightning.mp4"


def test_on_a_phone(own: Callable[..., Running], begin: Callable[..., Visit]) -> None:
    tab = begin(own(), viewport=PHONE, has_touch=True, is_mobile=True)
    paint(tab, *WORDS)
    tab.page.tap("#timeline-more")
    box = tab.page.locator("#timeline-menu").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    tab.page.evaluate(FORGET)


def test_a_browser_that_keeps_nothing_says_so(own: Callable[..., Running], visit: Open) -> None:
    init = "Object.defineProperty(globalThis, 'indexedDB', { get() { throw new Error('no'); } })"
    tab = visit(own(), init=init)
    tab.wait_answered()
    paint(tab, *WORDS)
    assert kept(tab)[-3:] == list(WORDS)
    assert "gone when this tab is closed" in str(tab.page.text_content("#timeline-says"))
    more = tab.page.locator("#timeline-more.refused")
    assert "gone when this tab is closed" in str(more.get_attribute("title")), "its menu is closed"


def test_the_oldest_makes_room_and_what_is_pinned_stays(modules: Modules) -> None:
    sizes = [
        ["pinned", 30],
        ["a", 30],
        ["b", 30],
        ["c", 30],
        ["c", 30],
        ["d", 5],
        ["e", 5],
        ["f", 90],
    ]
    told, again = modules.page.evaluate(STORE, sizes)
    assert told == [
        ["pinned"],
        ["pinned", "a"],
        ["pinned", "a", "b"],
        ["pinned", "b", "c"],
        ["pinned", "b", "c"],
        ["pinned", "b", "c", "d"],
        ["pinned", "c", "d", "e"],
        ["pinned", "f"],
    ]
    assert again == told[-1]


def test_files_that_are_no_tracks(modules: Modules) -> None:
    for text, words in (
        ("", "it is not JSON"),
        ("[]", "no track of this demo"),
        ('{"kind": "lightning-track", "version": 1, "requests": []}', "nothing in that track"),
        ('{"kind": "lightning-track", "version": 9, "requests": [{}]}', "newer version"),
        (
            '{"kind": "lightning-track", "version": 1, "requests": [null]}',
            "Picture 1 of that track",
        ),
        ('{"kind": "lightning-track", "version": 1, "requests": [{"prompt": 7}]}', "has no prompt"),
    ):
        assert words in modules.page.evaluate(READ, [text, 1])["message"], words
    assert "too large" in modules.page.evaluate(READ, ["x", 2**24 + 1])["message"]


def test_only_fields_of_a_request_are_read(modules: Modules) -> None:
    request = {"prompt": "<b>a</b>", "seed": 7, "__proto__": {"x": 1}, "mood": "good", "width": "9"}
    track = json.dumps({"kind": "lightning-track", "version": 1, "requests": [request]})
    assert modules.page.evaluate(READ, [track, 1]) == {
        "requests": [{"prompt": "<b>a</b>", "seed": 7}]
    }
    whole = {
        **{"prompt": "a", "negative_prompt": "b", "num_inference_steps": 4, "guidance_scale": 1.5},
        **{"seed": 7, "width": 256, "height": 256, "style": "Anime", "variation_seed": 1},
        **{"variation_strength": 0.5, "morph_prompt": "c", "morph_strength": 0.25},
    }
    track = json.dumps({"kind": "lightning-track", "version": 1, "requests": [whole]})
    assert modules.page.evaluate(READ, [track, 1]) == {"requests": [whole]}


TWO_TABS = """async () => {
  const { TimelineStore } = await import(new URL("web/timeline_store.js", document.baseURI));
  const [one, other] = [new TimelineStore(() => {}), new TimelineStore(() => {})];
  await Promise.all([one.load(), other.load()]);
  const entry = (key) => ({ key, request: { prompt: key }, blob: new Blob([key]) });
  const ids = await Promise.all([one.add(entry("a")), other.add(entry("a"))]);
  const [b] = [await one.add(entry("b")), await other.load()];
  await one.change(b, { name: "mine" });
  await other.load(); // as each is told to
  await other.change(b, { pinned: true });
  await one.remove([ids[0]]);
  const again = new TimelineStore(() => {});
  await again.load();
  const kept = [...again.entries.values()].map(({ key, name, pinned }) => [key, name, pinned]);
  await again.remove([...again.entries.keys()]);
  return { same: ids[0] === ids[1], kept, problems: one.problem + other.problem };
}"""


def test_two_tabs_that_write_at_once_lose_nothing(modules: Modules) -> None:
    assert modules.page.evaluate(TWO_TABS) == {
        "same": True,
        "kept": [["b", "mine", True]],
        "problems": "",
    }


def test_a_track_of_elsewhere_says_what_is_not_as_it_was(forgetful: Visit) -> None:
    tab = forgetful
    asked = {**tab.request(), "seed": 7}
    requests = [
        {**asked, "prompt": "a boat", "name": "the boat", "model": "another"},
        {**asked, "prompt": "a tree", "num_inference_steps": 50},
        {**asked, "prompt": "x" * 100_001},
    ]
    drop(tab, json.dumps(track(requests)).encode(), "application/json")
    says = tab.page.locator("#timeline-says")
    says.get_by_text("other settings").wait_for()
    assert says.inner_text().startswith("3 painted · 2 not as they were")
    assert says.inner_text().endswith("once by another, another model")
    assert tab.page.evaluate("lightning.timeline.entries[0].name") == "the boat"


def test_two_pictures_of_the_timeline_over_one_another(forgetful: Visit) -> None:
    tab = forgetful
    paint(tab, *WORDS)
    tab.page.click("#timeline-more")
    tab.page.click("#timeline-pair")
    assert tab.text("timeline-says") == "Now choose the other one."
    tab.page.locator(".moment").first.click()
    tab.page.locator("#compare-pair").wait_for()
    assert tab.text("compare-pair-words") == f"{WORDS[2]} | {WORDS[0]}"
    tab.page.get_by_role("button", name="Slide between two").click()
    assert tab.page.locator(".cell").count() == 2
    tab.page.keyboard.press("Escape")
    tab.page.click("#timeline-more")
    tab.page.click("#timeline-pair")
    tab.page.click("#timeline-pair")
    tab.page.locator(".moment").nth(1).click()
    tab.wait_painted(WORDS[1])
    assert not tab.page.locator("#compare").is_visible(), "it was let go"
    tab.page.click("#timeline-more")
    tab.page.click("#timeline-pair")
    tab.page.click("#timeline-remove")
    tab.wait("() => document.getElementById('timeline-pair').ariaPressed === 'false'")
    tab.page.locator(".moment").first.click()
    tab.wait_painted(WORDS[0])
    assert not tab.page.locator("#compare").is_visible(), "the first of the two is no more"
