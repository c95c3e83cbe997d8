"""The word being typed is completed: quietly, never in the way; what follows is told ahead."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ..web.conftest import Running
from .conftest import PHONE, Modules, Visit

Open = Callable[..., Visit]
Call = Callable[..., Any]

# Keeps what the page sends from here on.
KEEP_MESSAGES = """() => {
  const { transport } = lightning;
  const send = transport.send.bind(transport);
  globalThis.messages = [];
  transport.send = (text) => { messages.push(JSON.parse(text)); send(text); };
}"""
CONTRAST = """() => {
  const light = (element, property) => {
    const parts = getComputedStyle(element)[property].match(/[\\d.]+/g).slice(0, 3);
    const [r, g, b] = parts.map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const box = light(document.querySelector("#prompt label"), "backgroundColor");
  return ["#ghost b", "#prompt textarea"].map((each) => {
    const [low, high] = [light(document.querySelector(each), "color"), box].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  });
}"""


@pytest.fixture
def tab(again: Visit) -> Visit:
    return again


@pytest.fixture
def completion(modules: Modules) -> Call:
    """Calls a function of `completion.js`."""
    return partial(modules, "completion")


def ghost(tab: Visit) -> str:
    """What is shown behind the caret."""
    box = tab.page.locator("#ghost")
    return box.locator("b").inner_text() if box.is_visible() else ""


def focused(tab: Visit) -> bool:
    return bool(tab.prompt.evaluate("field => field === document.activeElement"))


def test_a_word_is_completed(tab: Visit) -> None:
    for key in ("Tab", "ArrowRight", "End"):
        tab.type("a red hou")
        assert ghost(tab) == "se"
        tab.prompt.press(key)
        assert (tab.prompt.input_value(), ghost(tab), focused(tab)) == ("a red house", "", True), (
            key
        )
        assert tab.prompt.evaluate("field => field.selectionStart") == len("a red house")
        tab.wait_painted("a red house")
    tab.prompt.press_sequentially(" at ni")
    assert ghost(tab) == "ght"
    # Escape hides it until the next change.
    tab.type("a red ho")
    tab.prompt.press("Escape")
    assert (ghost(tab), tab.prompt.input_value()) == ("", "a red ho")
    tab.prompt.press_sequentially("u")
    assert ghost(tab) == "se"
    # Without it Tab moves on, and with Shift always.
    tab.type("a red hou")
    tab.prompt.press("Shift+Tab")
    assert (focused(tab), ghost(tab), tab.prompt.input_value()) == (False, "", "a red hou")
    tab.type("a red house")
    tab.prompt.press("Tab")
    assert (focused(tab), tab.prompt.input_value()) == (False, "a red house")


def test_nothing_is_shown(tab: Visit) -> None:
    for why, prompt in {
        "unknown": "a red xq",
        "complete": "a red house",
        "after a space": "a red hou ",
        "one letter": "a red h",
        "digits": "a red 3hou",
        "right to left": "بيت hou",
        "sign": "a red hous!",
    }.items():
        tab.type("a red hou")
        assert ghost(tab) == "se"
        tab.type(prompt, keys=2)
        assert ghost(tab) == "", why
    # Nor where the caret is not behind the text.
    tab.type("a red hou")
    tab.prompt.press("ArrowLeft")
    tab.wait("() => document.getElementById('ghost').hidden")
    tab.prompt.press("ArrowRight")
    assert tab.prompt.input_value() == "a red hou"
    tab.type("a red hou")
    tab.prompt.select_text()
    tab.wait("() => document.getElementById('ghost').hidden")
    tab.prompt.fill("a hou red")
    tab.prompt.evaluate("field => field.setSelectionRange(5, 5)")
    tab.prompt.press_sequentially("s")
    assert (tab.prompt.input_value(), ghost(tab)) == ("a hous red", "")


def test_nothing_is_shown_while_letters_are_composed(tab: Visit) -> None:
    client = tab.page.context.new_cdp_session(tab.page)
    tab.prompt.fill("a red ")
    composed = {"text": "hou", "selectionStart": 3, "selectionEnd": 3}
    client.send("Input.imeSetComposition", composed)
    tab.wait("() => lightning.request.prompt === 'a red hou'")
    assert ghost(tab) == ""
    client.send("Input.insertText", {"text": "hou"})
    tab.wait("() => !document.getElementById('ghost').hidden")


def test_the_visitors_own_words_come_first(tab: Visit) -> None:
    tab.type("a houseboat")
    tab.wait("() => lightning.ghost.finished === 'a houseboat'")
    tab.type("two red hou")
    assert ghost(tab) == "seboat"


def test_what_may_follow_is_sent_along(tab: Visit) -> None:
    tab.page.evaluate(KEEP_MESSAGES)
    tab.type("a red hou", keys=1)
    tab.wait_painted("a red hou")
    sent = "messages.findLast((each) => each.request)"
    steps = [{"num_inference_steps": 2}, {"num_inference_steps": 8}]
    assert tab.page.evaluate(f"{sent}.ahead") == [{"prompt": "a red house"}, *steps]
    tab.prompt.press("Tab")
    tab.wait_painted("a red house")
    assert tab.page.evaluate(f"{sent}.request.prompt") == "a red house"
    assert tab.page.evaluate(f"{sent}.ahead") == steps
    tab.page.locator("#seed-lock label").click()
    tab.prompt.fill("a red ho")
    tab.wait_painted("a red ho")
    assert tab.page.evaluate(f"{sent}.ahead") is None, "each change has another seed"


def test_a_tap_takes_it_on_a_phone(own: Callable[..., Running], visit: Open) -> None:
    tab = visit(own(), viewport=PHONE, has_touch=True, is_mobile=True)
    tab.wait_answered()
    tab.type("a long sentence of more than one line, with a red house and a lighth")
    tab.page.locator("#ghost b").tap()
    completed = "a long sentence of more than one line, with a red house and a lighthouse"
    tab.wait_painted(completed)
    assert (tab.prompt.input_value(), focused(tab)) == (completed, True)


def test_a_line_that_is_full_keeps_room_for_it(tab: Visit) -> None:
    tab.type("many words " * 12 + "and a lighth")
    tab.wait("() => document.getElementById('prompt').classList.contains('full')")
    begins = """() => { const left = (name) => document.querySelector(name).getBoundingClientRect();
      return Math.abs(left("#ghost b").left - left("#prompt textarea").right) < 3; }"""
    tab.wait(begins)  # where the text ends
    word, box = (tab.page.locator(name).bounding_box() for name in ("#ghost b", "#prompt label"))
    assert word and box
    assert word["x"] + word["width"] < box["x"] + box["width"]


def test_it_can_be_read_and_is_quieter_than_the_text(
    own: Callable[..., Running], visit: Open
) -> None:
    running = own()
    tab = visit(running)
    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if scheme == "dark":
            tab.open(running.url)
        tab.wait_answered()
        tab.type("a red hou")
        assert ghost(tab) == "se"
        quiet, text = tab.page.evaluate(CONTRAST)
        assert 3 <= quiet < text / 2, scheme
    tab.page.emulate_media(color_scheme="light")  # as for everybody else


def test_it_is_described_once_and_never_read_aloud(tab: Visit) -> None:
    assert tab.page.locator("#ghost").get_attribute("aria-hidden") == "true"
    about = str(tab.prompt.get_attribute("aria-describedby"))
    assert "prompt-hint" in about
    assert tab.page.locator("#prompt-hint").text_content() == "Tab completes a word."
    tab.prompt.fill("")
    tab.page.get_by_text("The prompt is empty").wait_for()
    tab.prompt.fill("again")
    tab.wait_painted("again")
    assert tab.prompt.get_attribute("aria-describedby") == about


def test_complete(completion: Call) -> None:
    words = ["house", "houses", "cat", "cats", "castle", "grün"]
    for prompt, rest in (
        ("ho", "use"),
        ("A Hou", "se"),
        ("A HOU", "SE"),
        ("cat", ""),
        ("a cat, cas", "tle"),
        ("h", ""),
        ("", ""),
        ("hou ", ""),
        ("2hou", ""),
        ("\U00010400hou", ""),
        ("a gr", "ün"),
        ("שלום hou", ""),
        ("x" * 3_000 + " hou", ""),
    ):
        assert completion("complete", prompt, words, []) == rest, prompt[-20:]


def test_history_is_asked_before_the_list(completion: Call) -> None:
    history = completion("remember", "Häuser, hound's 2 HOUND", ["hourglass"])
    assert history == ["häuser", "hound", "hourglass"]
    assert completion("complete", "a hou", ["house"], history) == "nd"
    assert completion("complete", "a house", ["house"], ["houseboat"]) == ""
    many = " ".join(f"w{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(450))
    assert len(completion("remember", many, [f"old{n}" for n in range(499)])) == 500


def test_guesses(completion: Call) -> None:
    request = {"prompt": "a ca", "num_inference_steps": 4}
    one, two, eight = ({"num_inference_steps": steps} for steps in (1, 2, 8))
    completed = {"prompt": "a cat"}
    assert completion("guesses", request, "t", [1, 2, 4, 8]) == [completed, two, eight, one]
    assert completion("guesses", request, "", [2, 4, 8]) == [two, eight]
    assert completion("guesses", request, "t", [1, 2, 3, 4, 5, 8])[0] == completed
    assert len(completion("guesses", request, "t", [1, 2, 3, 4, 5, 8])) == 4
    assert completion("guesses", {**request, "num_inference_steps": 8}, "", [8]) == []
