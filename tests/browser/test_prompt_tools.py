"""Beside the prompt: styles, a count of tokens, earlier prompts, and morphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lightning_demo.errors import OutOfMemory
from lightning_demo.web.ui.controls import FIRST_SEED

from .conftest import DESKTOP, PHONE, House, Modules, Tabs, Visit
from .test_looks import SHIFTS

Open = Callable[..., Visit]
ASKED = {
    "prompt": "a cat",
    "negative_prompt": "",
    "num_inference_steps": 4,
    "guidance_scale": 0,
    "seed": FIRST_SEED,
    "width": 256,
    "height": 256,
    "style": "",
}


def test_a_style_is_previewed_painted_linked_and_restored(
    shared_house: House, again: Visit
) -> None:
    tab = again
    tab.type("a cat")
    tab.wait_painted("a cat")
    tab.page.locator("#style select").select_option("Night")
    tab.wait("() => lightning.current?.style === 'Night' && lightning.answered")
    assert tab.text("style-preview") == "a cat at night"
    assert shared_house.engine.requests[-1].painted_prompt == "a cat at night"
    assert tab.request() == {**ASKED, "style": "Night"}
    tab.page.get_by_role("button", name="Copy link").click()
    tab.wait("() => new URLSearchParams(location.search).get('style') === 'Night'")
    tab.page.locator("#style select").select_option("")
    tab.wait("() => lightning.current.style === '' && lightning.answered")
    assert tab.text("style-preview") == ""
    tab.wait_answered()
    # The timeline restores the one before, and the link all of it.
    styled = "lightning.timeline.entries.find(({ request }) => request.style === 'Night')"
    tab.wait(f"() => document.querySelector(`.moment[data-id='${{{styled}?.id}}']`)")
    tab.page.locator(f".moment[data-id='{tab.page.evaluate(styled + '.id')}']").click()
    tab.wait("() => lightning.request.style === 'Night'")
    assert tab.page.locator("#style select").input_value() == "Night"
    tab.wait("() => lightning.answered")
    tab.open(tab.page.url)
    tab.wait("() => lightning.current?.style === 'Night'")


def test_tokens_are_counted_behind_the_picture(own: Any, visit: Open) -> None:
    tab = visit(own())
    tab.type("a (red:1.3) house")
    tab.wait("() => document.getElementById('tokens').textContent === '3 / 30 tokens'")
    tab.page.locator("#tokens").press("Enter")
    assert tab.page.locator("#tokens-read .more").inner_text().split() == ["red", "1.3"]
    long = "house " * 125
    tab.prompt.fill(long.strip())
    tab.wait("() => document.getElementById('tokens').textContent === '125 / 120 tokens'")
    assert tab.page.locator("#tokens-read s").inner_text().split() == ["house"] * 5
    assert "part 2:" in tab.text("tokens-read") and "not read:" in tab.text("tokens-read")


def test_earlier_prompts_are_found_by_keyboard_and_forgotten(own: Any, visit: Open) -> None:
    running = own()
    tab = visit(running)
    for prompt in ("a red house", "a <b>blue</b> boat", "a cat"):
        tab.prompt.fill(prompt)
        tab.wait_painted(prompt)
        tab.wait("p => lightning.tools.history.entries[0]?.prompt === p", prompt)
    tab.page.get_by_role("button", name="History").press("Enter")
    tab.page.keyboard.type("blue A")
    found = tab.page.locator("#prompt-history-list button")
    assert found.all_inner_texts() == ["a <b>blue</b> boat"]
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    tab.wait_painted("a <b>blue</b> boat")
    assert tab.prompt.input_value() == "a <b>blue</b> boat"
    tab.open(tab.page.url)
    tab.page.get_by_role("button", name="History").click()
    found.get_by_text("a red house", exact=True).wait_for()
    tab.wait_answered()
    note = "(entry) => lightning.tools.history.note(entry)"  # to be kept in a moment
    tab.page.evaluate(note, {"prompt": "a secret", "negative_prompt": "", "style": ""})
    running.engine.hold()
    tab.page.evaluate("lightning.controls.set('prompt', 'a houseboat')")  # to be painted
    forget = tab.page.get_by_role("button", name="Forget all").last
    forget.click()
    tab.page.locator("#prompt-history-forget").click()
    assert tab.text("prompt-history-forget") == "Forget all", "it is not pressed by mistake"
    assert "kept here" in tab.text("prompt-history-says") and not found.count()
    running.engine.release()
    tab.wait_painted("a houseboat")
    tab.page.evaluate("new Promise((end) => setTimeout(end, 1300))")  # it would be kept by now
    assert tab.page.evaluate("localStorage.getItem('lightning-prompts')") == "[]"
    tab.page.keyboard.press("Escape")
    tab.type("two red hou")
    assert tab.page.evaluate("lightning.ghost.history.length") == 0
    assert tab.page.evaluate("lightning.ghost.shown") != "seboat"


def test_a_refused_storage_is_said_and_loses_nothing(own: Any, visit: Open) -> None:
    tab = visit(own())
    tab.page.evaluate(
        """() => {
          const refuse = () => { throw new DOMException("full", "QuotaExceededError"); };
          Object.assign(Storage.prototype, { setItem: refuse });
          console.warn = () => {};
        }"""
    )
    tab.prompt.fill("a cat")
    tab.wait("() => lightning.tools.history.entries[0]?.prompt === 'a cat'")
    tab.page.get_by_role("button", name="History").click()
    assert "keeps nothing" in tab.text("prompt-history-says")
    tab.page.locator("#prompt-history-list button", has_text="a cat").wait_for()


def test_a_morph_is_painted_scrubbed_and_used(own: Any, visit: Open) -> None:
    running = own(transport="events")
    tab = visit(running)
    tab.prompt.fill("a cat")
    tab.wait_painted("a cat")
    tab.page.get_by_role("button", name="Morph").click()
    tab.page.locator("#morph-count").select_option("5")
    tab.page.locator("#morph-to").fill("a dog")
    tab.page.locator("#morph-to").press("Enter")
    tab.wait("() => document.querySelectorAll('#morph-strip img[src]').length === 5")
    tab.wait("() => !document.getElementById('morph-gif').disabled")
    strengths = sorted({r.morph_strength for r in running.engine.requests})
    assert strengths == [0, 0.25, 0.5, 0.75, 1]
    works = [work for work in running.engine.works if work.request.morph_strength]
    assert all(work.yields for work in works), "what is typed comes first"
    with tab.page.expect_download() as download:
        tab.page.locator("#morph-film").click()
    assert download.value.suggested_filename == "lightning-morph.mp4"
    assert download.value.path().read_bytes()[4:8] == b"ftyp"
    tab.page.locator("#morph-at").fill("2")
    assert tab.page.locator("#morph-at").get_attribute("aria-valuetext") == "50 %"
    tab.page.get_by_role("button", name="Use this one").click()
    tab.wait("() => lightning.request.morph_strength === 0.5 && lightning.answered")
    assert tab.text("blend").startswith("50 % of the way to “a dog”")
    tab.page.get_by_role("button", name="Without it").click()
    tab.wait("() => !lightning.request.morph_prompt && lightning.answered")
    assert not tab.page.locator("#blend").is_visible()


def test_why_a_morph_ends_stays_to_be_read(own: Any, visit: Open, tabs: Tabs) -> None:
    running = own()
    tab = visit(running)
    tab.prompt.fill("a cat")
    tab.wait_painted("a cat")
    running.engine.fault = lambda asked: (
        OutOfMemory("Too much.") if asked.morph_strength > 0.5 else None
    )
    tab.page.get_by_role("button", name="Morph").click()
    tab.page.locator("#morph-count").select_option("5")
    tab.page.locator("#morph-to").press("Enter")
    tab.page.locator("#morph-says").get_by_text("Too much.").wait_for()
    tab.wait("() => lightning.tools.morphing.painted.length >= 2")
    assert tab.text("morph-says") == "Too much."
    assert tab.page.locator("#morph-gif").is_enabled(), "what is there can be saved"
    running.engine.fault = lambda asked: None
    assert all("503" in told for told in tabs.trouble)
    tabs.trouble.clear()


def test_the_requests_of_a_morph(modules: Modules) -> None:
    base = {"prompt": "a cat", "seed": 1, "morph_prompt": "x", "morph_strength": 0.3}
    found = modules("morph", "morphOf", base, "seed", 9, 3)
    plain = {"prompt": "a cat", "seed": 1}
    assert found == [
        plain,
        {**plain, "variation_seed": 9, "variation_strength": 0.5},
        {**plain, "variation_seed": 9, "variation_strength": 1},
    ]


def test_what_was_typed_on_from_makes_way_in_the_history(modules: Modules) -> None:
    def entry(prompt: str, style: str = "") -> dict[str, str]:
        return {"prompt": prompt, "negative_prompt": "", "style": style}

    def noted(entries: list[dict[str, str]], prompt: str, style: str = "") -> list[Any]:
        return modules("prompt_history", "noted", entries, entry(prompt, style))

    assert noted([entry("a red")], "a red house") == [entry("a red house")]
    assert noted([entry("a red house")], "a red") == [entry("a red"), entry("a red house")]
    assert noted([entry("a red")], "a red house", "Night")[1:] == [entry("a red")]
    assert noted([entry("b"), entry("a")], "a") == [entry("a"), entry("b")]


def test_a_picture_brings_its_style_and_its_way(modules: Modules) -> None:
    limits = {"steps": [4], "sizes": [[256, 256]], "maxSeed": 99, "maxGuidance": 2}
    limits["styles"] = ["Night"]
    found = {"prompt": "a cat", "style": "night", "morph_prompt": "a dog", "morph_strength": 0.5}
    fitted = modules("fitted", "fitted", found, ASKED, limits)
    assert fitted["request"]["style"] == "Night" and fitted["request"]["morph_prompt"] == "a dog"
    assert fitted["words"] == "prompt, style Night, morph 0.5"
    other = modules("fitted", "fitted", {"prompt": "a", "style": "Noir"}, ASKED, limits)
    assert other["request"]["style"] == "" and "another style" in other["words"]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_template_in_the_prompt_opens_the_batch(
    own: Any, visit: Open, viewport: dict[str, int]
) -> None:
    tab = visit(own(), viewport=viewport)
    tab.wait_answered()
    page, button = tab.page, tab.page.locator("#prompt-template-open")
    page.evaluate(SHIFTS)
    tab.prompt.press("ControlOrMeta+a")
    tab.prompt.press_sequentially("a {house, ")
    tab.wait_painted("a {house,")
    assert button.is_hidden() and tab.text("prompt-template-says") == "", "not yet one"
    tab.prompt.press_sequentially("boat} at {sunset, night}")
    template = "a {house, boat} at {sunset, night}"
    tab.wait_painted(template)
    assert tab.text("prompt-template-says") == "a template of 4 pictures"
    assert page.evaluate("globalThis.shifted") < 0.001
    tab.prompt.press("Enter")
    assert tab.request()["prompt"] == template, "the live picture is of the words as they stand"
    tab.prompt.press("Tab")
    assert page.evaluate("document.activeElement.id") == "prompt-template-open"
    page.keyboard.press("Enter")
    tab.wait("() => !document.getElementById('batch-paint').hidden")
    assert page.locator("#batch-text").input_value() == template
    assert tab.text("batch-says") == "4 pictures, nothing at fault"
    # Another one comes below it; a list of words makes one, too.
    files = [{"name": "animal.txt", "mimeType": "text/plain", "buffer": b"cat\ndog\n"}]
    page.locator("#batch-words").set_input_files(files)  # type: ignore[arg-type]
    page.keyboard.press("Escape")
    tab.prompt.fill("a __animal__")
    tab.wait("() => !document.getElementById('prompt-template-open').hidden")
    assert tab.text("prompt-template-says") == "a template of 1 picture"
    button.click()
    tab.wait("() => !document.getElementById('batch-paint').hidden")
    assert page.locator("#batch-text").input_value() == f"{template}\na __animal__"
    page.keyboard.press("Escape")
    tab.prompt.fill("a cat")
    tab.wait_painted("a cat")
    assert button.is_hidden() and tab.text("prompt-template-says") == ""
    # While there is a batch, it waits for the next list.
    page.evaluate("lightning.actions.openBatch()")
    page.locator("#batch-paint").click()
    tab.wait("() => lightning.batch.store.outcomes.size === 5 && !lightning.batch.run.running")
    page.keyboard.press("Escape")
    tab.prompt.fill("a {cat, dog}")
    button.click()
    page.get_by_text("Your prompt waits for the next list.").wait_for()
    for _ in range(2):  # the second time it is sure
        page.locator("#batch-new").click()
    tab.wait("() => document.getElementById('batch-text').value === 'a {cat, dog}'")
    page.get_by_text("2 pictures, nothing at fault").wait_for()
