"""The live loop in a browser, over both transports."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from lightning_demo.web import service

from ..web.conftest import Running, wait_for
from ..web.fakes import FakeEngine, color_of
from ..web.stage.relay import Relay
from .conftest import NO_SOCKET, Modules, Visit

Open = Callable[..., Visit]


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 16 for a, b in zip(one, other, strict=True))


def test_the_first_picture_the_last_word_and_what_is_typed_in_a_pause_are_painted(
    running: Running, visit: Open
) -> None:
    tab = visit(running)
    example = tab.prompt.input_value()
    assert example
    tab.wait_painted(example)
    assert near(tab.color(), color_of(example))
    assert tab.page.evaluate("document.activeElement?.closest('#prompt') !== null")
    # What is typed is painted, and nothing goes backwards.
    sentence = "a blue boat at sea"
    tab.type(sentence, keys=12)
    tab.wait_painted(sentence)
    assert near(tab.color(), color_of(sentence))
    order = [(frame["sequence"], frame["step"]) for frame in tab.painted()]
    assert order == sorted(order)
    assert tab.page.get_by_role("img", name=sentence, exact=True).is_visible()
    # Paused, the picture stays; then the page catches up.
    tab.page.get_by_role("button", name="Pause").click()
    tab.page.get_by_text("Paused", exact=True).wait_for()
    asked = tab.sequence()
    tab.type("after")
    assert tab.sequence() == asked
    assert near(tab.color(), color_of(sentence))
    tab.page.get_by_role("button", name="Resume").click()
    tab.wait_painted("after")
    # Deleting and controls repaint, too.
    tab.type("a red cats")
    tab.prompt.press("Backspace")
    tab.wait_painted("a red cat")
    tab.page.locator("#steps").get_by_text("2").click()
    tab.wait("() => lightning.request.num_inference_steps === 2")
    assert tab.wait_answered()["step"] == 2
    tab.page.get_by_label("Seed", exact=True).fill("-1")
    tab.page.locator("#seed").get_by_role("alert").wait_for()


def test_two_tabs_never_mix(running: Running, visit: Open) -> None:
    one, other = visit(running), visit(running)
    for letter, digit in zip("abcd", "1234", strict=True):
        one.prompt.press("End")
        one.prompt.press_sequentially(letter)
        other.prompt.press("End")
        other.prompt.press_sequentially(digit)
    ones, others = one.prompt.input_value(), other.prompt.input_value()
    one.wait_painted(ones)
    other.wait_painted(others)
    assert all(ones.startswith(frame["prompt"]) for frame in one.painted())
    assert all(others.startswith(frame["prompt"]) for frame in other.painted())
    assert near(one.color(), color_of(ones))
    assert near(other.color(), color_of(others))


def test_times_are_shown_a_larger_box_is_filled_and_a_lost_connection_comes_back(
    own: Callable[..., Running], visit: Open
) -> None:
    tab = visit(own())
    tab.wait_answered()
    tab.wait("() => Number(document.getElementById('final').textContent) > 0")  # told soon after
    assert int(tab.text("first-paint")) <= int(tab.text("final"))
    assert "Miniature · cpu · 4 steps · ready" in tab.text("about")
    tab.wait("() => /^(now|\\d+ s ago)$/.test(document.getElementById('age').textContent)")
    count = len(tab.painted())
    tab.page.set_viewport_size({"width": 1920, "height": 1080})
    tab.wait("() => (p => p.picture.width === p.canvas.width)(lightning.painter)")
    assert len(tab.painted()) == count, "it is the same picture"
    tab.page.evaluate("lightning.transport.socket.close()")
    tab.type("after the break")
    tab.wait_painted("after the break")
    tab.wait("() => !document.getElementById('note').textContent")


def test_a_laptop_that_slept_comes_back_to_what_was_typed_last(
    own: Callable[..., Running], visit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing passes while it sleeps, and nobody says goodbye; the server has given it up."""
    running = own()
    config = running.server._blocks.server.config
    for name in ("ws_ping_interval", "ws_ping_timeout"):
        monkeypatch.setattr(config, name, 0.5)  # minutes are over soon
    with Relay(running.url) as relay:
        tab = visit(SimpleNamespace(url=relay.url))
        tab.type("before the nap")
        tab.wait_painted("before the nap")
        relay.sleep()
        tab.prompt.fill("typed while the lid fell")
        wait_for(lambda: not running.pages)
        relay.wake()
        tab.wait_painted("typed while the lid fell")
        assert near(tab.color(), color_of("typed while the lid fell"))
        tab.wait("() => !document.getElementById('note').textContent")
        order = [frame["sequence"] for frame in tab.painted()]
        assert order == sorted(order)
        tab.page.goto("about:blank")  # while there is a way


def test_a_page_without_a_second_thread_decodes_by_itself(
    own: Callable[..., Running], visit: Open
) -> None:
    no_worker = "globalThis.Worker = class { postMessage() { setTimeout(() => this.onerror()); } }"
    tab = visit(own(), init=no_worker)
    tab.type("a green tree")
    tab.wait_painted("a green tree")
    assert near(tab.color(), color_of("a green tree"))


def test_a_picture_for_a_box_that_is_hidden_has_a_pixel_left(modules: Modules) -> None:
    sides = modules.page.evaluate(
        """async () => {
          const { Decoder } = await import(new URL("web/decoder.js", document.baseURI));
          const canvas = new OffscreenCanvas(1536, 640);
          canvas.getContext("2d");
          const bytes = await (await canvas.convertToBlob()).arrayBuffer();
          const box = { width: 1, height: 1 };
          const { width, height } = await new Decoder().decode(bytes, "image/png", box);
          return [width, height];
        }"""
    )
    assert sides == [1, 1]


# A painter, what it has told, and what has failed: `frame(step)`, `picture()`, `idle()`.
PAINTER = """
  const { Painter } = await import(new URL("web/painter.js", document.baseURI));
  const picture = async () => {
    const canvas = new OffscreenCanvas(8, 8);
    canvas.getContext("2d");
    return canvas.convertToBlob();
  };
  const bytes = async () => (await picture()).arrayBuffer();
  const box = document.body.appendChild(document.createElement("div"));
  const canvas = box.appendChild(document.createElement("canvas"));
  const told = [], failed = [];
  const painter = new Painter(
    canvas, (header) => told.push(header.step), (header) => failed.push(header.step)
  );
  const idle = async () => {
    while (painter.busy) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const frame = async (step) =>
    painter.offer({ sequence: 1, step, media_type: "image/png" }, await bytes());
"""


def test_a_frame_that_waits_is_painted_before_a_picture_of_another_time(modules: Modules) -> None:
    told, shown = modules.page.evaluate(
        f"""async () => {{
          {PAINTER}
          const aside = await picture();
          const last = await bytes();
          await frame(1);
          painter.offer({{ sequence: 1, step: 4, media_type: "image/png" }}, last);
          painter.peek(aside);
          await idle();
          return [told, painter.last.bytes === aside];
        }}"""
    )
    assert told[-1] == 4 and shown


def test_a_box_that_changes_while_a_frame_is_decoded_brings_no_older_one_back(
    modules: Modules,
) -> None:
    told, shown = modules.page.evaluate(
        f"""async () => {{
          {PAINTER}
          await frame(1);
          await idle();
          await frame(2);
          box.style.width = "50px";
          painter.fit();
          await idle();
          return [told, painter.last.header.step];
        }}"""
    )
    assert (told, shown) == ([1, 2], 2)


def test_only_a_picture_that_is_not_on_the_canvas_has_failed(modules: Modules) -> None:
    told, failed = modules.page.evaluate(
        f"""async () => {{
          {PAINTER}
          const {{ painted }} = painter;
          painter.painted = (header) => {{ painted(header); throw new Error("of the page"); }};
          await frame(1);
          await idle();
          painter.decoder.decode = () => Promise.reject("no memory");
          box.style.width = "50px";
          painter.fit();
          await idle();
          await frame(2);
          await idle();
          return [told, failed];
        }}"""
    )
    assert (told, failed) == ([1], [2])


def test_a_picture_that_the_browser_cannot_decode_is_answered(again: Visit) -> None:
    page = again.page
    page.evaluate(
        "() => void (lightning.painter.decoder.decode = () => Promise.reject('no memory'))"
    )
    again.type("a picture")
    again.wait("() => lightning.answered")  # the words may be of a key before
    page.get_by_text("The browser could not show this picture").wait_for()
    page.evaluate("delete lightning.painter.decoder.decode")
    again.type("a picture that is shown")
    again.wait_painted("a picture that is shown")
    assert page.get_by_text("The browser could not show this picture").count() == 0


def test_an_edit_of_gradios_is_understood(own: Callable[..., Running], visit: Open) -> None:
    tab = visit(own(transport="events"))
    tab.wait_answered()
    tab.page.evaluate(
        """() => lightning.transport.take([["replace", [], JSON.stringify(
          { type: "error", sequence: 0, field: "prompt", message: "From an edit." })]])"""
    )
    tab.page.get_by_text("From an edit.").wait_for()


def test_without_sockets_the_page_takes_the_other_way(
    own: Callable[..., Running], visit: Open
) -> None:
    tab = visit(own(transport="auto"), init=NO_SOCKET)
    tab.wait("() => lightning.transport.name === 'events'")
    tab.page.evaluate("dispatchEvent(new Event('online'))")
    tab.type("over events")
    tab.wait_painted("over events")
    opened: list[str] = []
    tab.page.on("request", lambda request: opened.append(request.url))
    for prompt in ("and more", "and more of it"):
        tab.type(prompt)
        tab.wait_painted(prompt)
        tab.page.wait_for_timeout(100)  # so that the server has nothing more to say
    streams = [url for url in opened if "/queue/data" in url]
    assert not streams, "one stream stays open; it is the first message's"
    assert tab.page.evaluate("sockets") == 1, "nothing is sent twice: it is not tried again"


def test_with_sockets_the_page_takes_them(own: Callable[..., Running], visit: Open) -> None:
    tab = visit(own(transport="auto"))
    tab.wait_answered()
    assert tab.page.evaluate("lightning.transport.name") == "socket"


def test_loading_and_its_progress_are_shown(own: Callable[..., Running], visit: Open) -> None:
    for transport in ("socket", "events"):
        engine = FakeEngine()
        engine.say(state="loading", progress=0.42, detail="Reading the weights", device="")
        tab = visit(own(engine, transport=transport))
        tab.page.get_by_text("Reading the weights 42 %").wait_for()
        tab.wait("() => document.getElementById('about').textContent.includes('loading 42 %')")
        engine.say(state="ready", progress=None, detail="", device="cpu")
        tab.wait_answered()
        tab.wait("() => document.getElementById('about').textContent.includes('ready')")


def test_a_load_failure_is_a_sentence_on_the_page(own: Callable[..., Running], visit: Open) -> None:
    sentence = "The weights are missing; run `download`."
    engine = FakeEngine()
    engine.say(state="failed", detail=sentence)
    tab = visit(own(engine))
    tab.wait("s => document.getElementById('veil-text').textContent === s", sentence)
    tab.wait("() => document.getElementById('about').textContent.includes('not available')")


def test_a_full_server_is_told_and_left_in_peace(
    own: Callable[..., Running], visit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_PAGES", 0)
    tab = visit(own())
    tab.wait("() => /^0 pages are open/.test(document.getElementById('veil-text').textContent)")
    monkeypatch.setattr(service, "MAX_PAGES", 1)
    tab.wait_answered()
