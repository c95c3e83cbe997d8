"""Phrases for the facts of a scene: things, place, time, weather, and where something stands."""

from __future__ import annotations

import random

from .fillers import FILLERS, SYLLABLES
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
    SUBJECTS,
    TIMES,
    USUAL_FORMS,
    WEATHERS,
    coloured,
    plural,
)
from .world import Scene, Thing

SYNONYM_SHARE, FILLER_SHARE = 0.3, 0.15
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


class Phrases:
    """Words for the facts of one scene; remembers which it has named."""

    def __init__(self, scene: Scene, rng: random.Random) -> None:
        self.scene, self.rng = scene, rng
        self.claims: dict[str, str] = {}
        self.synonyms = rng.random() < SYNONYM_SHARE
        self.fillers = rng.randint(1, 3) if rng.random() < FILLER_SHARE else 0

    def pick(self, names: tuple[str, ...]) -> str:
        """The usual name, or any."""
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
        """`two red houses`, `a cat in front of a tree`; empty where there is none."""
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
        return f"{article_of(first, noun)} {noun}"

    def pair(self, colour: bool) -> str:
        """Two things, and how they stand to one another."""
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
        """`in the forest`."""
        scene = self.scene
        self.claims["place"] = scene.place
        flying = scene.things and scene.things[0].name in FLYING and scene.place != "space"
        if flying and self.rng.random() < 0.4:
            return "over the " + PLACE_WORDS[scene.place][0]
        names = PLACES[scene.place]
        return names[0] if self.rng.random() < 0.5 else self.rng.choice(names)

    def time(self) -> str:
        """`at night`."""
        self.claims["time"] = self.scene.time
        names = TIMES[self.scene.time]
        return names[0] if self.rng.random() < 0.5 else self.rng.choice(names)

    def weather(self) -> str:
        """`in the rain`."""
        self.claims["weather"] = self.scene.weather
        names = WEATHERS[self.scene.weather]
        return names[0] if self.rng.random() < 0.5 else self.rng.choice(names)

    def background(self) -> str:
        """`on a blue background`."""
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
    return f"{article_of('a', noun)} {noun}"


def article_of(article: str, noun: str) -> str:
    """The article as it sounds before a noun."""
    return "an" if article == "a" and noun[0] in "aeiou" else article
