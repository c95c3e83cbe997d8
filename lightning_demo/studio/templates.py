r"""Prompt templates: `{house, boat} at {sunset, night}` is four prompts.

Alternatives are parted by commas, or by bars where there is one (`{a wide, wet street|a lake}`),
and may hold others. A backslash before a brace, a comma or a bar makes it an ordinary character.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import InvalidRequest

MAX_PROMPTS = 10_000  # of one template
MAX_CHARACTERS = 2**23  # of all of them
MAX_DEPTH = 20
SIGNS = "{},|"


def expand(template: str) -> list[str]:
    """All prompts of a template, the last alternatives changing fastest.

    Raises:
        InvalidRequest: a brace without its other one, or too many prompts; of field `prompt`.
    """
    prompts = _expand(template, 1)
    return [_unescaped(prompt) for prompt in prompts]


def _expand(text: str, depth: int) -> list[str]:
    """The prompts of a part, its backslashes still in it."""
    if depth > MAX_DEPTH:
        raise _wrong(f"at most {MAX_DEPTH} braces may be inside each other.")
    prompts, end = [""], 0
    for start, stop in _groups(text):
        between = text[end:start]
        around = max(map(len, prompts)) + len(between) + len(text) - stop
        choices: list[str] = []
        longest = 0
        for alternative in _alternatives(text[start + 1 : stop]):
            found = _expand(alternative, depth + 1)
            choices += found
            longest = max(longest, *map(len, found))
            _check(len(prompts) * len(choices), around + longest)
        prompts = [f"{before}{between}{choice}" for before in prompts for choice in choices]
        end = stop + 1
    return [f"{prompt}{text[end:]}" for prompt in prompts]


def _check(prompts: int, length: int) -> None:
    """Refuses more than a machine should hold, before it is made."""
    if prompts > MAX_PROMPTS:
        raise _wrong(f"the braces make more than {MAX_PROMPTS:,} prompts.")
    if prompts * length > MAX_CHARACTERS:
        raise _wrong(f"the braces make more than {MAX_CHARACTERS:,} characters.")


def _groups(text: str) -> Iterator[tuple[int, int]]:
    """Where each outer pair of braces stands."""
    depth = start = 0
    for at, sign in _signs(text):
        if sign == "{":
            start = start if depth else at
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth < 0:
                raise _wrong(
                    "a brace is closed that was never opened; write a backslash before it."
                )
            if not depth:
                yield start, at
    if depth:
        raise _wrong("a brace is opened and never closed; write a backslash before it.")


def _alternatives(inside: str) -> list[str]:
    """What stands between a pair's separators."""
    depth = 0
    places: dict[str, list[int]] = {",": [], "|": []}
    for at, sign in _signs(inside):
        if sign in places:
            if not depth:
                places[sign].append(at)
        else:
            depth += 1 if sign == "{" else -1
    cuts = [-1, *(places["|"] or places[","]), len(inside)]
    return [inside[a + 1 : b].strip() for a, b in zip(cuts, cuts[1:], strict=False)]


def _signs(text: str) -> Iterator[tuple[int, str]]:
    """The signs that mean something, with their places."""
    at = 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] in SIGNS:
            at += 1
        elif text[at] in SIGNS:
            yield at, text[at]
        at += 1


def _unescaped(text: str) -> str:
    for sign in SIGNS:
        text = text.replace(f"\\{sign}", sign)
    return text


def _wrong(sentence: str) -> InvalidRequest:
    return InvalidRequest(f"prompt: {sentence}", field="prompt")
