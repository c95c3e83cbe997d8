"""A picture brings its settings along: dropped, pasted or chosen; nothing is uploaded."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from lightning_demo.images import encode
from lightning_demo.schemas import GenerationRequest

from ..web.api.comfyui_graphs import GRAPHS, plain
from ..web.conftest import Running
from ..web.fakes import FakeEngine, color_of
from .conftest import PHONE, Modules, Visit

Open = Callable[..., Visit]

FILE = """([name, type, data]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type }));
  return transfer;
}"""
TEXTS = """async (data) => {
  const { pictureTexts } = await import(new URL("web/picture_texts.js", document.baseURI));
  return pictureTexts(new Blob([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))]));
}"""
PASTE = """(field, clipboardData) => field.dispatchEvent(
  new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData }))"""
KEEP_FETCHES = """() => {
  const { fetch } = globalThis;
  globalThis.asked = [];
  globalThis.fetch = (...all) => { asked.push(all); return fetch(...all); };
}"""
PARAMETERS = """a cat, masterpiece
with: a colon
Negative prompt: dogs
Steps: 20, Sampler: Euler a, CFG scale: 1, Seed: 5, Size: 512x768, Lora hashes: "a: 1f, b: 2"
"""


def png(texts: dict[str, str], packed: bool = False) -> bytes:
    info = PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text, zip=packed) if packed else info.add_text(name, text)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def of_comfyui(**changes: Any) -> bytes:
    """A PNG as ComfyUI saves it."""
    workflow = json.dumps({"nodes": [], "version": 0.4})
    return png({"prompt": json.dumps(plain(**changes)), "workflow": workflow})


@pytest.fixture
def tab(again: Visit) -> Visit:
    return again


def transfer(tab: Visit, data: bytes, kind: str = "image/png", name: str = "a.png") -> Any:
    return tab.page.evaluate_handle(FILE, [name, kind, base64.b64encode(data).decode()])


def answer(tab: Visit, button: str) -> None:
    """Presses a button of the dialog that a picture opens."""
    tab.page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()


def drop(tab: Visit, data: bytes, kind: str = "image/png", button: str | None = None) -> None:
    given = transfer(tab, data, kind)
    for event in ("dragover", "drop"):
        tab.page.dispatch_event("#stage", event, {"dataTransfer": given})
    if button:
        answer(tab, button)


def test_a_picture_of_comfyui_that_is_dropped_repaints(tab: Visit) -> None:
    tab.page.locator("#seed-lock label").click()
    before = tab.sequence()
    tab.page.evaluate(KEEP_FETCHES)
    drop(tab, of_comfyui(seed=2**32 + 9, cfg=1), button="Apply")
    tab.wait_painted("a cat \\(sitting\\), (red:1.2)")
    assert tab.request() == {
        "prompt": "a cat \\(sitting\\), (red:1.2)",
        "negative_prompt": "dogs",
        "num_inference_steps": 8,
        "width": 256,
        "height": 384,
        "guidance_scale": 0,
        "seed": 9,
        "style": "",
    }
    assert tab.sequence() == before + 1, "asked once, with all of it"
    wanted = color_of("a cat \\(sitting\\), (red:1.2)")
    assert all(abs(have - want) < 16 for have, want in zip(tab.color(), wanted, strict=True))
    page = tab.page
    assert tab.prompt.input_value() == "a cat \\(sitting\\), (red:1.2)"
    assert page.get_by_label("Negative prompt").input_value() == "dogs"
    assert page.get_by_label("Seed", exact=True).input_value() == "9"
    assert page.locator("#seed-lock input").is_checked()
    assert page.locator("#steps input[value='8']").is_checked()
    assert page.locator("#size input[value='256x384']").is_checked()
    assert tab.text("note") == (
        "From the picture: both prompts, 8 steps for 20, 256 × 384 for 512 × 768, "
        "seed 9 for 4294967305"
    )
    elsewhere = [url.path for url, _ in page.evaluate("asked") if url.path != "/tokens"]
    assert elsewhere == [], "nothing is uploaded; tokens are counted"
    tab.type("typed on")
    assert tab.wait_painted("typed on")["seed"] == 9


def test_the_template_of_a_picture_is_shown(tab: Visit) -> None:
    request = GenerationRequest("a red house", "", 4, 0.0, 7, 256, 256)
    pixels = np.zeros((256, 256, 3), np.uint8)
    template = "a {red, <i>blue</i>} house"
    data = encode(pixels, request, "miniature", "webp", 90, template=template)
    drop(tab, data, "image/webp")
    words = tab.page.get_by_role("dialog").inner_text()
    assert "a red house" in words and f"from the template {template}" in words
    answer(tab, "Cancel")


def test_only_the_prompt_or_nothing_is_taken(tab: Visit) -> None:
    before = tab.request()
    drop(tab, of_comfyui(), button="Cancel")
    drop(tab, of_comfyui())
    dialog = tab.page.get_by_role("dialog")
    assert "a cat \\(sitting\\), (red:1.2)" in dialog.inner_text()
    assert "without dogs" in dialog.inner_text() and "8 steps for 20" in dialog.inner_text()
    tab.page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert tab.request() == before
    drop(tab, of_comfyui(), button="Only the prompt")
    tab.wait_painted("a cat \\(sitting\\), (red:1.2)")
    taken = {"prompt": "a cat \\(sitting\\), (red:1.2)", "negative_prompt": "dogs"}
    assert tab.request() == {**before, **taken}


def test_a_picture_of_fooocus(tab: Visit) -> None:
    said = {
        "prompt": "a boat",
        "negative_prompt": "fog",
        "full_prompt": ["a boat", "masterpiece"],
        "steps": 4,
        "guidance_scale": 1.5,
        "resolution": "(1152, 768)",
        "seed": "77",
        "sampler": "euler",
    }
    drop(tab, png({"parameters": json.dumps(said), "fooocus_scheme": "fooocus"}), button="Apply")
    tab.wait_painted("a boat")
    assert tab.request() == {
        "prompt": "a boat",
        "negative_prompt": "fog",
        "num_inference_steps": 4,
        "guidance_scale": 1.5,
        "seed": 77,
        "width": 384,
        "height": 256,
        "style": "",
    }


def test_our_own_picture_asks_for_the_same(tab: Visit) -> None:
    tab.page.locator("#steps").get_by_text("2", exact=True).click()
    tab.page.locator("#size").get_by_text("384 × 256").click()
    tab.open_drawer()
    tab.page.get_by_label("Negative prompt").fill("rain (heavy)")
    tab.page.get_by_label("number input for Guidance").fill("1.5")
    tab.type("a picture to keep")
    tab.wait_painted("a picture to keep")
    asked = tab.request()
    with tab.page.expect_download() as waiting:
        tab.page.get_by_role("button", name="Download PNG").click()
    saved = Path(waiting.value.path()).read_bytes()
    tab.page.reload()
    tab.page.wait_for_function("globalThis.lightning?.transport")
    tab.wait_answered()
    drop(tab, saved, button="Apply")
    tab.wait_painted("a picture to keep")
    assert tab.request() == asked


def test_a_picture_can_be_pasted_and_chosen(own: Callable[..., Running], visit: Open) -> None:
    tab = visit(own(transport="events"), viewport=PHONE)
    tab.wait_answered()
    tab.prompt.evaluate(PASTE, transfer(tab, png({"parameters": PARAMETERS})))
    answer(tab, "Apply")
    painted = tab.wait_painted("a cat, masterpiece with: a colon")
    assert painted["seed"] == 5
    button = tab.page.get_by_role("button", name="Settings from a picture")
    with tab.page.expect_file_chooser() as waiting:
        button.press("Enter")
    file = {"name": "b.png", "mimeType": "image/png", "buffer": of_comfyui()}
    waiting.value.set_files(file)  # type: ignore[arg-type]
    box = tab.page.get_by_role("dialog").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
    answer(tab, "Apply")
    tab.wait_painted("a cat \\(sitting\\), (red:1.2)")
    right = tab.page.evaluate("document.documentElement.scrollWidth")
    assert right <= PHONE["width"], "the button has room"


def test_a_picture_without_settings_changes_nothing_and_html_in_one_is_text(tab: Visit) -> None:
    before = tab.sequence(), tab.request()
    damaged = of_comfyui()[:300]
    for data in (png({}), b"no picture", b"", damaged, png({"prompt": "{}"}), b"\x89PNG\r\n\x1a\n"):
        tab.page.evaluate("lightning.panel.note('')")
        drop(tab, data)
        tab.page.get_by_text("No settings were found in that picture.").wait_for()
    assert (tab.sequence(), tab.request()) == before
    drop(tab, b"words", "text/plain")
    assert tab.page.url.startswith("http://127.0.0.1"), "the browser has not opened the file"
    wild = "<img src=x onerror=alert(1)>"
    settings = {
        "prompt": wild,
        "num_inference_steps": wild,
        "width": {},
        "seed": "7",
        "model": wild,
    }
    drop(tab, png({"generation": json.dumps(settings)}), button="Apply")
    tab.wait_painted(wild)
    assert tab.prompt.input_value() == wild
    assert tab.page.locator("img[src=x]").count() == 0
    assert tab.text("note") == "From the picture: prompt"


def test_both_readers_say_the_same_of_a_graph(modules: Modules) -> None:
    for name, (graph, said) in GRAPHS.items():
        texts = {"prompt": json.dumps(graph)}
        found = modules("picture_settings", "settingsOf", texts)
        found = {field: value for field, value in found.items() if value != ""}
        assert found == said, name
    odd = json.dumps({**plain(), "20": {"inputs": {}, "is_changed": [float("nan")]}})
    found = modules("picture_settings", "settingsOf", {"prompt": odd})
    assert found == GRAPHS["plain"][1]
    for text in ("", "7", "[]", "{}", "[" * 100_000, '{"1": {"inputs": 7}}'):
        assert modules("picture_settings", "settingsOf", {"prompt": text}) is None


def texts_of(modules: Modules, data: bytes) -> dict[str, Any]:
    return modules.page.evaluate(TEXTS, base64.b64encode(data).decode())


def test_texts_of_every_format(modules: Modules) -> None:
    request = GenerationRequest("a 猫 🐈", "dogs", 4, 1.5, 7, 64, 48)
    pixels = np.zeros((48, 64, 3), np.uint8)
    for kind in ("png", "jpeg", "webp"):
        texts = texts_of(modules, encode(pixels, request, "miniature", kind, 90))["texts"]
        found = modules("picture_settings", "settingsOf", texts)
        assert found == request.as_dict(), kind
    packed = texts_of(modules, png({"parameters": "猫" * 1000}, packed=True))
    assert packed == {"texts": {"parameters": "猫" * 1000}, "width": 64, "height": 48}
    info = PngInfo()
    info.add_text("bomb", "a" * 2**24, zip=True)
    info.add_text("parameters", "é", zip=True)
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG", pnginfo=info)
    assert texts_of(modules, buffer.getvalue())["texts"] == {"parameters": "é"}
    exif = Image.Exif()
    exif[0x0110], exif[0x010F] = 'prompt:{"1": 2}', 'Workflow:{"nodes": []}'
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0words"
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, "WEBP", exif=exif)
    theirs = Image.Exif()
    theirs[ExifTags.Base.UserComment] = '{"prompt": "of Fooocus"}'
    with_comment = io.BytesIO()
    Image.new("RGB", (64, 48)).save(with_comment, "JPEG", exif=theirs)
    found = texts_of(modules, with_comment.getvalue())["texts"]
    assert found == {"parameters": '{"prompt": "of Fooocus"}'}
    assert texts_of(modules, buffer.getvalue())["texts"] == {
        "prompt": '{"1": 2}',
        "workflow": '{"nodes": []}',
        "parameters": "words",
    }


def test_a_picture_while_the_model_loads_is_painted_later(
    own: Callable[..., Running], visit: Open
) -> None:
    engine = FakeEngine()
    engine.say(state="loading")
    tab = visit(own(engine))
    drop(tab, of_comfyui(), button="Apply")
    tab.page.get_by_text("From the picture").wait_for()
    engine.say(state="ready")
    tab.wait_painted("a cat \\(sitting\\), (red:1.2)")


def test_a_picture_of_more_pixels_than_fit_is_never_decoded(tab: Visit) -> None:
    """Its settings are read all the same; the header says what the text conceals."""
    data = bytearray(png({"parameters": PARAMETERS}))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    drop(tab, bytes(data))
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_text("Too large to be shown").wait_for()
    assert dialog.locator("img").count() == 0
    answer(tab, "Only the prompt")
    tab.wait_painted("a cat, masterpiece with: a colon")
