"""The words of the miniature's world: what it can draw and what people may call it."""

from __future__ import annotations

from .fillers import ENDINGS, FILLERS, GLUE, OPENINGS

SUBJECTS: dict[str, tuple[str, ...]] = {
    "house": ("house", "cottage", "home", "cabin"),
    "castle": ("castle", "fortress", "palace"),
    "lighthouse": ("lighthouse", "beacon"),
    "tree": ("tree", "oak"),
    "flower": ("flower", "blossom", "daisy"),
    "mushroom": ("mushroom", "toadstool"),
    "cat": ("cat", "kitten", "kitty"),
    "dog": ("dog", "puppy", "doggy"),
    "bird": ("bird", "songbird"),
    "fish": ("fish", "goldfish"),
    "person": ("person", "child", "boy", "man"),
    "boat": ("boat", "sailboat", "ship"),
    "car": ("car", "automobile"),
    "train": ("train", "locomotive"),
    "balloon": ("balloon", "hot air balloon", "air balloon"),
    "rocket": ("rocket", "spaceship", "space rocket"),
}
# Forms that are drawn only where a word names them, and the words.
# Everything else has one form, so that the model need not draw the mean of several.
FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "house": {
        "tall house": ("tall house", "town house"),
        "farmhouse": ("farmhouse", "farm", "barn"),
    },
    "tree": {"fir": ("fir", "fir tree", "pine tree", "pine", "christmas tree")},
    "flower": {"tulip": ("tulip",), "sunflower": ("sunflower",)},
    "cat": {
        "standing cat": ("standing cat", "walking cat"),
        "sleeping cat": ("sleeping cat", "lying cat", "curled up cat"),
    },
    "dog": {"standing dog": ("standing dog", "walking dog")},
    "bird": {"owl": ("owl",)},
    "person": {"girl": ("girl", "woman", "lady")},
    "boat": {"steamboat": ("steamboat", "steamer", "ferry")},
    "car": {"van": ("van", "bus"), "truck": ("truck", "pickup")},
    "train": {"tram": ("tram", "streetcar")},
}
# Words for the usual form, where there are others.
USUAL_FORMS: dict[str, tuple[str, ...]] = {
    "cat": ("sitting cat",),
    "dog": ("sitting dog",),
    "bird": ("flying bird",),
    "boat": ("sailing boat",),
    "train": ("steam train", "steam engine"),
}
SIDED = frozenset({"cat", "dog", "bird", "fish", "boat", "car", "train"})  # face right, or as told
FACINGS: dict[str, tuple[str, ...]] = {
    "right": ("facing right", "looking right"),
    "left": ("facing left", "looking left"),
}
# What comes to mind where nothing is said: likelier when a scene is drawn by lot, and what an
# unsaid word mostly means.
USUAL_COLOURS: dict[str, str] = {
    "house": "red",
    "castle": "white",
    "lighthouse": "red",
    "tree": "green",
    "flower": "pink",
    "mushroom": "red",
    "cat": "orange",
    "dog": "white",
    "bird": "blue",
    "fish": "orange",
    "person": "blue",
    "boat": "white",
    "car": "red",
    "train": "green",
    "balloon": "red",
    "rocket": "white",
}
USUAL_PLACES: dict[str, str] = {
    "house": "hills",
    "castle": "mountains",
    "lighthouse": "sea",
    "tree": "hills",
    "flower": "hills",
    "mushroom": "forest",
    "cat": "hills",
    "dog": "hills",
    "bird": "hills",
    "fish": "sea",
    "person": "city",
    "boat": "sea",
    "car": "city",
    "train": "mountains",
    "balloon": "hills",
    "rocket": "space",
}
USUAL_TIME = "day"
PEOPLE = frozenset(("person", "child", "boy", "man", "girl", "woman", "lady")) | frozenset(
    ("people", "children", "boys", "men", "girls", "women", "ladies")
)
FLYING = frozenset({"balloon", "rocket", "bird", "fish"})  # drawn in the air
AFLOAT = frozenset({"boat"})  # drawn on the water, where there is some
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
    "snow": ("in the snow", "in winter", "on the snow", "in a winter landscape", "in the ice"),
    "city": ("in the city", "in a city", "in town", "downtown", "on the street", "in the street"),
    "forest": ("in the forest", "in a forest", "in the woods", "among the trees", "in the jungle"),
    "space": ("in space", "on the moon", "in outer space", "on another planet", "among the stars"),
}
PLACE_WORDS: dict[str, tuple[str, ...]] = {
    "sea": ("sea", "the sea", "ocean", "beach", "seaside", "coast"),
    "hills": ("hills", "green hills", "meadow", "countryside", "field"),
    "mountains": ("mountains", "mountain", "alps", "snowy peaks"),
    "desert": ("desert", "dunes", "sand dunes"),
    "snow": ("winter", "snow", "winter landscape", "snowy landscape"),
    "city": ("city", "town", "skyline", "street", "downtown"),
    "forest": ("forest", "woods", "jungle", "woodland"),
    "space": ("space", "moon surface", "outer space", "planet"),
}
TIMES: dict[str, tuple[str, ...]] = {
    "day": ("by day", "on a sunny day", "at noon", "in the sunshine", "in summer"),
    "sunset": ("at sunset", "in the evening", "at dusk", "at sundown", "in the evening light"),
    "night": ("at night", "at midnight", "under the moon", "under the stars", "in the moonlight"),
    "dawn": ("at dawn", "at sunrise", "in the morning", "early in the morning", "at daybreak"),
}
TIME_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("day", "sunny day", "daytime", "noon", "blue sky"),
    "sunset": ("sunset", "evening", "dusk", "sundown"),
    "night": ("night", "midnight", "moonlight", "starry night", "night sky"),
    "dawn": ("dawn", "sunrise", "morning", "early morning", "daybreak"),
}
TIME_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "day": ("sunny", "bright"),
    "sunset": ("glowing",),
    "night": ("starry", "moonlit"),
    "dawn": ("early",),
}
# Clear weather is what an unsaid word means.
WEATHERS: dict[str, tuple[str, ...]] = {
    "clear": (),
    "rain": ("in the rain", "on a rainy day", "while it rains", "in a drizzle"),
    "snow": ("while it snows", "in falling snow", "in a snowfall", "under snowflakes"),
    "storm": ("in a storm", "in a thunderstorm", "in bad weather", "under lightning"),
    "fog": ("in the fog", "in the mist", "on a foggy day", "in the haze"),
    "rainbow": ("under a rainbow", "with a rainbow", "below a rainbow"),
}
WEATHER_WORDS: dict[str, tuple[str, ...]] = {
    "rain": ("rain", "rainy", "rainy day"),
    "snow": ("snowfall", "snowing", "falling snow"),
    "storm": ("storm", "stormy", "thunderstorm", "lightning"),
    "fog": ("fog", "foggy", "mist", "misty"),
    "rainbow": ("rainbow",),
}
# A flat illustration is what an unsaid word means.
STYLES: dict[str, tuple[str, ...]] = {
    "flat": (),
    "watercolour": ("watercolor", "watercolour", "aquarelle", "watercolor painting"),
    "paper cut": ("paper cut", "papercut", "paper art", "paper craft"),
    "pixel art": ("pixel art", "pixelated", "8-bit", "retro pixel art"),
    "line drawing": ("line drawing", "line art", "sketch", "ink drawing"),
}
COUNTS: dict[int, tuple[str, ...]] = {1: ("a", "one"), 2: ("two", "2"), 3: ("three", "3")}
PLURALS: dict[str, str] = {
    "daisy": "daisies",
    "kitty": "kitties",
    "puppy": "puppies",
    "doggy": "doggies",
    "box": "boxes",
    "fortress": "fortresses",
    "fish": "fish",
    "goldfish": "goldfish",
    "person": "people",
    "child": "children",
    "man": "men",
    "woman": "women",
    "lady": "ladies",
    "bus": "buses",
    "ferry": "ferries",
}

EXAMPLES: tuple[str, ...] = (
    "a red house by the sea at sunset",
    "a black cat to the left of an orange mushroom in the forest",
    "a yellow balloon above a white castle in the mountains at dawn",
    "a purple rocket in space",
    "two blue birds in the hills under a rainbow",
    "a green train in the snow at night",
    "a white lighthouse in a storm, watercolor",
    "a person in pink with an orange dog in the city, pixel art",
    "three red flowers in a meadow, paper cut",
    "a yellow boat by the sea in the fog, line drawing",
    "a red heart on a pink background",
)


def coloured(noun: str, colour: str) -> str:
    """`red house`; people wear their colour: `girl in red`."""
    return f"{noun} in {colour}" if noun in PEOPLE else f"{colour} {noun}"


def plural(phrase: str) -> str:
    """The plural of the last word of a name."""
    head, _, last = phrase.rpartition(" ")
    many = PLURALS.get(last, last + "s")
    return f"{head} {many}" if head else many


def known_words() -> list[str]:
    """Every single word of the world, sorted; each becomes one token."""
    phrases: list[str] = [*FILLERS, *OPENINGS, *ENDINGS, *GLUE]
    forms = {name: words for kinds in FORMS.values() for name, words in kinds.items()}
    for table in (SUBJECTS, SHAPES, USUAL_FORMS, forms):
        for names in table.values():
            phrases += [*names, *map(plural, names)]
    for table in (
        COLOURS,
        FACINGS,
        PLACES,
        PLACE_WORDS,
        TIMES,
        TIME_WORDS,
        TIME_ADJECTIVES,
        WEATHERS,
        WEATHER_WORDS,
        STYLES,
    ):
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
            "places": [phrases[0] for phrases in PLACES.values()],
            "times": [phrases[0] for phrases in TIMES.values()],
            "weather": [phrases[0] for phrases in WEATHERS.values() if phrases],
            "styles": [phrases[0] for phrases in STYLES.values() if phrases],
            "counts": ["one", "two", "three"],
        },
        "examples": list(EXAMPLES),
    }
