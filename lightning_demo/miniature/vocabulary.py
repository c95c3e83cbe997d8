"""The words of the miniature's world: what it can draw and what people may call it."""

from __future__ import annotations

SUBJECTS: dict[str, tuple[str, ...]] = {
    "house": ("house", "cottage", "home", "cabin"),
    "tree": ("tree", "oak"),
    "boat": ("boat", "sailboat", "ship"),
    "balloon": ("balloon", "hot air balloon", "air balloon"),
    "flower": ("flower", "blossom", "daisy"),
    "car": ("car", "automobile"),
    "cat": ("cat", "kitten", "kitty"),
    "rocket": ("rocket", "spaceship", "space rocket"),
}
SHAPES: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "disc", "dot"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "heart": ("heart",),
}
COLOURS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow", "golden"),
    "green": ("green", "emerald"),
    "blue": ("blue", "azure"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rosy"),
    "white": ("white",),
    "black": ("black",),
}
# Phrases that stand behind the subject, then words that stand alone.
PLACES: dict[str, tuple[str, ...]] = {
    "sea": (
        "by the sea",
        "at the sea",
        "by the ocean",
        "on the beach",
        "at the beach",
        "on the coast",
        "on the shore",
        "at the seaside",
        "by the water",
    ),
    "hills": (
        "in the hills",
        "on a hill",
        "on green hills",
        "in a meadow",
        "in a field",
        "in the countryside",
        "on the grass",
    ),
    "mountains": (
        "in the mountains",
        "by the mountains",
        "in front of mountains",
        "in the alps",
        "below snowy peaks",
        "near a mountain",
    ),
    "desert": ("in the desert", "in a desert", "on the dunes", "on the sand", "among cacti"),
    "snow": ("in the snow", "in winter", "on the snow", "in a snowy forest", "in the ice"),
    "city": ("in the city", "in a city", "in town", "downtown", "on the street", "in the street"),
}
PLACE_WORDS: dict[str, tuple[str, ...]] = {
    "sea": ("sea", "the sea", "ocean", "beach", "seaside", "coast"),
    "hills": ("hills", "green hills", "meadow", "countryside", "field"),
    "mountains": ("mountains", "mountain", "alps", "snowy peaks"),
    "desert": ("desert", "dunes", "sand dunes"),
    "snow": ("snow", "winter", "snowy forest", "snowy landscape"),
    "city": ("city", "town", "skyline", "street", "downtown"),
}
TIMES: dict[str, tuple[str, ...]] = {
    "day": (
        "by day",
        "on a sunny day",
        "at noon",
        "in the morning",
        "in the sunshine",
        "in summer",
    ),
    "sunset": ("at sunset", "in the evening", "at dusk", "at sundown", "in the evening light"),
    "night": ("at night", "at midnight", "under the moon", "under the stars", "in the moonlight"),
    "storm": ("in a storm", "in the rain", "on a rainy day", "in bad weather", "in a thunderstorm"),
}
TIME_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("day", "sunny day", "daytime", "morning", "blue sky"),
    "sunset": ("sunset", "evening", "dusk", "sundown"),
    "night": ("night", "midnight", "moonlight", "starry night", "night sky"),
    "storm": ("storm", "rain", "thunderstorm", "rainy day"),
}
TIME_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "day": ("sunny", "bright"),
    "sunset": ("glowing",),
    "night": ("starry", "moonlit"),
    "storm": ("stormy", "rainy"),
}
COUNTS: dict[int, tuple[str, ...]] = {1: ("a", "one"), 2: ("two", "2"), 3: ("three", "3")}
PLURALS: dict[str, str] = {"daisy": "daisies", "kitty": "kitties", "box": "boxes"}

# Adjectives that change nothing in the picture: the model learns to read past them.
FILLERS: tuple[str, ...] = (
    "beautiful",
    "lovely",
    "nice",
    "pretty",
    "cute",
    "little",
    "small",
    "big",
    "old",
    "lonely",
    "happy",
    "colorful",
    "cozy",
    "charming",
    "simple",
    "wonderful",
)
OPENINGS: tuple[str, ...] = (
    "a picture of",
    "an illustration of",
    "a painting of",
    "a photo of",
    "a drawing of",
    "an image of",
    "a view of",
    "an artwork of",
)
ENDINGS: tuple[str, ...] = (
    "flat illustration",
    "highly detailed",
    "masterpiece",
    "digital art",
    "vector art",
    "best quality",
    "4k",
    "8k",
    "cinematic lighting",
    "minimal",
)
GLUE: tuple[str, ...] = (
    "a",
    "an",
    "the",
    "and",
    "with",
    "of",
    "on",
    "in",
    "at",
    "by",
    "to",
    "next",
    "beside",
    "near",
    "left",
    "right",
    "background",
    "backdrop",
    "is",
    "there",
    "stands",
    "standing",
    "front",
    "from",
    "its",
    "it",
    "under",
    "above",
    "between",
    "landscape",
    "scene",
    "sky",
    "color",
    "colored",
    "moon",
    "sun",
    "clouds",
    "stars",
    "grey",
    "gray",
    "brown",
    "empty",
    "plain",
    "place",
)

EXAMPLES: tuple[str, ...] = (
    "a red house by the sea at sunset",
    "a yellow balloon over the mountains by day",
    "a black cat in the snow at night",
    "a blue boat by the sea in a storm",
    "three pink flowers in a meadow",
    "a purple rocket in the desert at night",
    "two orange cats in the hills",
    "a red heart on a pink background",
)


def plural(phrase: str) -> str:
    """The plural of the last word of a name."""
    head, _, last = phrase.rpartition(" ")
    many = PLURALS.get(last, last + "s")
    return f"{head} {many}" if head else many


def known_words() -> list[str]:
    """Every single word of the world, sorted; each becomes one token."""
    phrases: list[str] = [*FILLERS, *OPENINGS, *ENDINGS, *GLUE, "over"]
    for table in (SUBJECTS, SHAPES):
        for names in table.values():
            phrases += [*names, *map(plural, names)]
    for table in (COLOURS, PLACES, PLACE_WORDS, TIMES, TIME_WORDS, TIME_ADJECTIVES):
        for names in table.values():
            phrases += names
    for names in COUNTS.values():
        phrases += names
    return sorted({word for phrase in phrases for word in phrase.split()})


def words() -> dict[str, object]:
    """What the page shows: words by group, and prompts that come out well."""
    return {
        "groups": {
            "subjects": list(SUBJECTS),
            "shapes": list(SHAPES),
            "colours": list(COLOURS),
            "places": list(PLACES),
            "times": list(TIMES),
            "counts": ["one", "two", "three"],
        },
        "examples": list(EXAMPLES),
    }
