"""Sentences about a scene, as people would type them, together with what each sentence claims."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .fillers import ENDINGS, FILLERS, OPENINGS, SYLLABLES
from .vocabulary import (
    COLOURS,
    COUNTS,
    FACINGS,
    FLYING,
    FORMS,
    PLACE_WORDS,
    PLACES,
    SHAPES,
    SIDED,
    STYLES,
    SUBJECTS,
    TIME_ADJECTIVES,
    TIME_WORDS,
    TIMES,
    USUAL_FORMS,
    WEATHER_WORDS,
    WEATHERS,
    coloured,
    plural,
)
from .world import Scene, Thing

PARTIAL_SHARE, USUAL_PARTIAL_SHARE = 0.2, 0.65  # leave facts open; more where those are usual
SYNONYM_SHARE, FILLER_SHARE, TYPING_SHARE = 0.3, 0.15, 0.08
USUAL_FORM_SHARE = 0.1  # of captions name the usual form, too
ORDERED_SHARE = 0.7  # of two things side by side: the text says which is left
RELATION_PHRASES: dict[str, tuple[str, ...]] = {
    "beside": (
        "{a} to the left of {b}",
        "{b} to the right of {a}",
        "{a} left of {b}",
        "{b} right of {a}",
        "{a} on the left and {b} on the right",
        "{b} on the right and {a} on the left",
    ),
    "front": ("{a} in front of {b}", "{b} behind {a}"),
    "above": ("{a} above {b}", "{a} over {b}", "{b} below {a}", "{b} under {a}"),
}


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and the facts it names: attribute -> value; what it leaves open is absent.

    Attributes: count, name, colour (of the first or only thing), name_2, colour_2 (of the second),
    form, facing, side, relation, place, time, weather, style, background. Of two things the first
    is the left one, the one in front or the one above.
    """

    text: str
    claims: dict[str, str] = field(default_factory=dict)


class _Writer:
    """Words one caption; remembers what it has said."""

    def __init__(self, scene: Scene, rng: random.Random) -> None:
        self.scene, self.rng = scene, rng
        self.claims: dict[str, str] = {}
        self.synonyms = rng.random() < SYNONYM_SHARE
        self.fillers = rng.randint(1, 3) if rng.random() < FILLER_SHARE else 0

    def pick(self, names: tuple[str, ...]) -> str:
        return self.rng.choice(names) if self.synonyms else names[0]

    def noise(self) -> str:
        """An adjective that means nothing here; half of them are no words at all."""
        self.fillers -= 1
        if self.rng.random() < 0.5:
            return self.rng.choice(FILLERS)
        return "".join(self.rng.choice(SYLLABLES) for _ in range(self.rng.randint(1, 3)))

    def noun(self, thing: Thing, slot: str, *, many: bool, colour: bool) -> str:
        """`red house`, `lovely crimson cottages`."""
        name = self.pick(self.names(thing))
        self.claims["name" + slot] = thing.name
        if thing.form:
            self.claims["form"] = thing.form
        text = plural(name) if many else name
        if colour:
            self.claims["colour" + slot] = thing.colour
            text = coloured(text, self.pick(COLOURS[thing.colour]))
        if self.fillers > 0 and self.rng.random() < 0.6:
            text = f"{self.noise()} {text}"
        return text

    def names(self, thing: Thing) -> tuple[str, ...]:
        """What a thing may be called; a form that is not the usual one is always named."""
        if thing.form:
            return FORMS[thing.name][thing.form]
        if thing.name in USUAL_FORMS and self.rng.random() < USUAL_FORM_SHARE:
            return USUAL_FORMS[thing.name]
        return SUBJECTS[thing.name] if thing.name in SUBJECTS else SHAPES[thing.name]

    def things(self, *, colour: bool = True, article: bool = True) -> str:
        things, rng = self.scene.things, self.rng
        if not things:
            return ""
        if self.scene.is_pair:
            return self.pair(colour)
        self.claims["count"] = str(len(things))
        noun = self.noun(things[0], "", many=len(things) > 1, colour=colour)
        if len(things) > 1:
            return f"{rng.choice(COUNTS[len(things)])} {noun}"
        if not article:
            return noun
        first = rng.choices(("a", "the", "one"), (0.85, 0.1, 0.05))[0]
        return f"{_article(first, noun)} {noun}"

    def pair(self, colour: bool) -> str:
        rng = self.rng
        first, second = self.scene.things
        self.claims["count"] = "pair"
        one = self.noun(first, "", many=False, colour=colour)
        two = self.noun(second, "_2", many=False, colour=colour)
        a, b = indefinite(one), indefinite(two)
        phrases = RELATION_PHRASES[self.scene.relation]
        if self.scene.relation != "beside":
            self.claims["relation"] = self.scene.relation
        elif rng.random() < ORDERED_SHARE:
            self.claims["relation"] = "beside"
        else:
            # What is named first stands left, unless the text says otherwise.
            phrases = ("{a} and {b}", "{a} next to {b}", "{a} beside {b}", "{a} with {b}")
        return rng.choice(phrases).format(a=a, b=b)

    def place(self) -> str:
        scene = self.scene
        self.claims["place"] = scene.place
        flying = scene.things and scene.things[0].name in FLYING and scene.place != "space"
        if flying and self.rng.random() < 0.4:
            return "over the " + PLACE_WORDS[scene.place][0]
        names = PLACES[scene.place]
        return names[0] if self.rng.random() < 0.5 else self.rng.choice(names)

    def time(self) -> str:
        self.claims["time"] = self.scene.time
        names = TIMES[self.scene.time]
        return names[0] if self.rng.random() < 0.5 else self.rng.choice(names)

    def weather(self) -> str:
        self.claims["weather"] = self.scene.weather
        names = WEATHERS[self.scene.weather]
        return names[0] if self.rng.random() < 0.5 else self.rng.choice(names)

    def background(self) -> str:
        colour = self.pick(COLOURS[self.scene.background])
        self.claims["background"] = self.scene.background
        return self.rng.choice(
            (
                f"on a {colour} background",
                f"on a {colour} background",
                f"on {colour}",
                f"with a {colour} background",
                f"in front of a {colour} background",
            )
        )

    def stance(self) -> str:
        """Where a single thing stands and looks, as far as that is not the usual."""
        scene, text = self.scene, ""
        if len(scene.things) != 1 or scene.background:
            return text
        if scene.facing == "left":
            self.claims["facing"] = "left"
            text += " " + self.rng.choice(FACINGS["left"])
        elif scene.things[0].name in SIDED and self.rng.random() < 0.04:
            text += " " + self.rng.choice(FACINGS["right"])
        if scene.side != "centre":
            self.claims["side"] = scene.side
            text += f" on the {scene.side}"
        return text


def indefinite(noun: str) -> str:
    """`a red house`, `an orange cat`."""
    return f"{_article('a', noun)} {noun}"


def _article(article: str, noun: str) -> str:
    return "an" if article == "a" and noun[0] in "aeiou" else article


def write_caption(scene: Scene, seed: int) -> Caption:
    """One caption of a scene; same scene and seed, same caption."""
    rng = random.Random(seed)  # noqa: S311
    writer = _Writer(scene, rng)
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


def _full(writer: _Writer) -> str:
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


def _with_weather(text: str, writer: _Writer) -> str:
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


def _with_style(text: str, writer: _Writer) -> str:
    """So is a style that is not the flat one."""
    rng, style = writer.rng, writer.scene.style
    if style == "flat":
        return text
    writer.claims["style"] = style
    name = rng.choice(STYLES[style]) if rng.random() < 0.5 else STYLES[style][0]
    forms = (f"{text}, {name}", f"{text}, {name} style", f"{name} of {text}", f"{text} as {name}")
    return rng.choices(forms, (0.5, 0.2, 0.2, 0.1))[0]


def _partial(writer: _Writer) -> str:
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


def _about_shapes(writer: _Writer, partial: bool) -> str:
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
    return f"{_article('a', colour)} {colour} background"


def _as_typed(text: str, writer: _Writer) -> tuple[str, dict[str, str]]:
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
