"""Sentences about a scene, as people would type them, together with what each sentence claims."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .fillers import ENDINGS, OPENINGS
from .phrases import Phrases, article_of
from .vocabulary import (
    COLOURS,
    PLACE_WORDS,
    STYLES,
    TIME_ADJECTIVES,
    TIME_WORDS,
    WEATHER_WORDS,
)
from .world import Scene

PARTIAL_SHARE, USUAL_PARTIAL_SHARE = 0.2, 0.65  # leave facts open; more where those are usual
TYPING_SHARE = 0.08  # of captions are cut, as while somebody types


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and the facts it names: attribute -> value; what it leaves open is absent.

    Attributes: count, name, colour (of the first or only thing), name_2, colour_2 (of the second),
    form, facing, side, relation, place, time, weather, style, background. Of two things the first
    is the left one, the one in front or the one above.
    """

    text: str
    claims: dict[str, str] = field(default_factory=dict)


def write_caption(scene: Scene, seed: int) -> Caption:
    """One caption of a scene; same scene and seed, same caption."""
    rng = random.Random(seed)  # noqa: S311
    writer = Phrases(scene, rng)
    partial = rng.random() < (USUAL_PARTIAL_SHARE if scene.is_usual else PARTIAL_SHARE)
    if scene.background:
        text = _about_shapes(writer, partial)
    elif partial or not scene.things:
        text = _partial(writer)
        if "weather" not in writer.claims:
            text = _with_weather(text, writer)
    else:
        text = _full(writer)
    return Caption(*_as_typed(_with_style(text, writer), writer))


def _full(writer: Phrases) -> str:
    rng = writer.rng
    things = writer.things() + writer.stance()
    place, time = writer.place(), writer.time()
    lot = rng.random()
    if lot < 0.5:
        text = f"{things} {place} {time}"
    elif lot < 0.65:
        text = f"{things} {place}, {time}"
    elif lot < 0.78:
        text = f"{things} {time} {place}"
    elif lot < 0.88:
        text = f"{place} {time}, {things}"
    elif lot < 0.94:
        words = (
            rng.choice(PLACE_WORDS[writer.scene.place]),
            rng.choice(TIME_WORDS[writer.scene.time]),
        )
        text = f"{things}, {words[0]}, {words[1]}"
    else:
        adjective = rng.choice(TIME_ADJECTIVES[writer.scene.time])
        text = f"{adjective} {things.split(' ', 1)[1]} {place}"
    return _with_weather(text, writer)


def _with_weather(text: str, writer: Phrases) -> str:
    """Weather is always said when it is not clear, so that silence means clear."""
    rng, weather = writer.rng, writer.scene.weather
    if weather in ("", "clear"):
        return text
    lot = rng.random()
    if lot < 0.6:
        return f"{text} {writer.weather()}"
    if lot < 0.85:
        return f"{text}, {writer.weather()}"
    writer.claims["weather"] = weather
    return f"{text}, {rng.choice(WEATHER_WORDS[weather])}"


def _with_style(text: str, writer: Phrases) -> str:
    """So is a style that is not the flat one."""
    rng, style = writer.rng, writer.scene.style
    if style == "flat":
        return text
    writer.claims["style"] = style
    name = rng.choice(STYLES[style]) if rng.random() < 0.5 else STYLES[style][0]
    forms = (f"{text}, {name}", f"{text}, {name} style", f"{name} of {text}", f"{text} as {name}")
    return rng.choices(forms, (0.5, 0.2, 0.2, 0.1))[0]


def _partial(writer: Phrases) -> str:
    rng, scene = writer.rng, writer.scene
    lot = rng.random() if scene.things else 0.8 + 0.2 * rng.random()
    if lot < 0.12:
        return writer.things(colour=False, article=rng.random() < 0.6) + writer.stance()
    if lot < 0.32:
        return writer.things(article=rng.random() < 0.7) + writer.stance()
    if lot < 0.48:
        return f"{writer.things()}{writer.stance()} {writer.place()}"
    if lot < 0.64:
        return f"{writer.things()}{writer.stance()} {writer.time()}"
    if lot < 0.8:
        return f"{writer.things(colour=False)}{writer.stance()} {writer.place()} {writer.time()}"
    if scene.weather != "clear" and lot > 0.93:
        writer.claims["weather"] = scene.weather
        return rng.choice(WEATHER_WORDS[scene.weather])
    place, time = rng.choice(PLACE_WORDS[scene.place]), rng.choice(TIME_WORDS[scene.time])
    if lot < 0.87:
        writer.claims["place"] = scene.place
        return place
    if lot < 0.93:
        writer.claims["time"] = scene.time
        return time
    writer.claims |= {"place": scene.place, "time": scene.time}
    return rng.choice((f"{place} {writer.time()}", f"{time}, {place}", f"{place} and {time}"))


def _about_shapes(writer: Phrases, partial: bool) -> str:
    if not partial:
        return f"{writer.things()} {writer.background()}"
    lot = writer.rng.random()
    if lot < 0.5:
        return writer.things(article=writer.rng.random() < 0.7)
    if lot < 0.7:
        return writer.things(colour=False)
    if lot < 0.85:
        return f"{writer.things(colour=False)} {writer.background()}"
    colour = writer.pick(COLOURS[writer.scene.background])
    writer.claims["background"] = writer.scene.background
    return f"{article_of('a', colour)} {colour} background"


def _as_typed(text: str, writer: Phrases) -> tuple[str, dict[str, str]]:
    rng = writer.rng
    if rng.random() < 0.1 and writer.scene.style == "flat":
        text = f"{rng.choice(OPENINGS)} {text}"
    if writer.fillers > 0 and rng.random() < 0.5:
        ending = rng.choice(ENDINGS) if rng.random() < 0.7 else writer.noise()
        text = f"{text}, {ending}"
    if rng.random() < 0.1:
        text = text.replace(",", "")
    lot = rng.random()
    if lot < 0.1:
        text = text.capitalize()
    elif lot < 0.14:
        text = text.capitalize() + "."
    elif lot < 0.16:
        text = text.upper()
    if rng.random() < TYPING_SHARE:
        # Live prompts are half typed most of the time. What the cut text still claims is unknown.
        return text[: rng.randint(1, len(text))], {}
    return text, writer.claims
