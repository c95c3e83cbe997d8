"""What the word list sees through, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_demo.errors import InvalidSetting
from lightning_demo.web.stage.audience.clean import (
    MARKS,
    NAME_CHARACTERS,
    PROMPT_CHARACTERS,
    clean,
    visible,
)
from lightning_demo.web.stage.audience.word_file import read_words
from lightning_demo.web.stage.audience.words import WordList

# As people write what they may not; by `|`, since some have spaces.
DISGUISED = (
    "fuck|FUCK|fuuuuck|f u c k|f.u.c.k|f-u-c-k|f_u_c_k|fu ck|fu.ck|f uck|fuc k|F*ck|f**k|a f u c k"
    "|sh1t|$h1t|sh!t|shit!|5hit|@sshole|a55hole|n1gg3r|niggggger|b00bs|h1tl3r|p0rn|c u n t s"
    "|ѕhіt|fսck|ｆｕｃｋ|𝓯𝓾𝓬𝓴|🅵🆄🅲🅺|ᶠᵘᶜᵏ|f\u200bu\u200bc\u200bk|f\u00adu\u00adck|f̶u̶c̶k̶|fúck"
    "|a motherfucker|naked  women|a picture of a d i c k|hentai girl"
    "|хуй|xyй|пиздец|блядь|Scheiße|SCHEISSE|scheissegal|fick dich|mierda|hijo de puta|putain|enculé"
    "|vaffanculo|caralho|kurwa|do piče kurva|orospu çocuğu|vittu|μαλάκας|πουτάνα"
    "|操你妈|ちんこの絵|씨발놈아|मादरचोद|كُسّ امك|شـرمـوطـة|זוֹנָה|putang ina mo"
)
ORDINARY = (
    "Scunthorpe|Penistone|Essex|Sussex|Middlesex|sextant|Clitheroe|Lightwater|Cockburn|Cockermouth"
    "|assassin|grass|a first class passenger|assistant|embassy|a glass of water|bass guitar"
    "|Niger|Nigeria|niggardly|a snigger|Dickens|Moby Dick|Moby-Dick|cocktail|peacock|cockpit"
    "|shiitake|shitake mushrooms|Arsenal|cum laude|documents|circumference|analysis|analog|canal"
    "|therapist|grape|drapes|rapeseed|an oilseed rape field|titmouse|great tits on a branch|Titanic"
    "|constitution|Matsushita|Fukushima|mishit|push-it|pussycat|a pussy willow|Uranus|manuscript"
    "|an US flag|an al fresco dinner|455|a 55 mm lens|A4 paper|a 4x4 car|1st place|2*3*4|as is"
    "|bitcoin|a pedometer|torpedo|spices|hospice|Japan|class='x'|Tim's hit|plan b|vitamin c"
    "|sex katter|cono de helado|bite|con amor|pedal|la hora|en retard|gato negro|das Fagott"
    "|パチンコ|ピエロ|시발점|보지 마|Lund|Amina|Randi|kutna hora|草泥马|a red 🦊 in the snow 🐕‍🦺"
    "|a cat, a dog & 3 birds @ the zoo!!!|Jesus|Dijon mustard|a Shih Tzu|Wuthering Heights"
    "|Saint-Denis|till slut"
)


@pytest.fixture(scope="module")
def words() -> WordList:
    return WordList.load()


@pytest.mark.parametrize("text", DISGUISED.split("|"))
def test_what_is_disguised_is_seen(words: WordList, text: str) -> None:
    assert words.blocks(text)
    assert words.blocks(f"a photo of {text} in the snow")


@pytest.mark.parametrize("text", ORDINARY.split("|"))
def test_ordinary_words_are_left_alone(words: WordList, text: str) -> None:
    assert not words.blocks(text)
    assert not words.blocks(f"A photo of {text}, in the snow.")


def test_what_the_demo_itself_proposes_is_no_offence(words: WordList) -> None:
    from lightning_demo.web.vocabularies import vocabulary

    for model in ("miniature", "sdxl-lightning"):
        for example in vocabulary(model).examples:
            assert not words.blocks(example), example


def test_long_texts_of_a_flooder_are_read_in_reasonable_steps(words: WordList) -> None:
    for text in ("a " * 150, "a" * 300, "f*" * 150, "1 " * 150, "@$!1|" * 60, "ab " * 100):
        assert not words.blocks(text)


def test_a_presenter_adds_and_allows(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes("\ufeff# ours\nbanana\nfruit*\n*nana*\n!ass\nbad day # note\n".encode())
    more = WordList.load(str(file))
    assert more.blocks("b4n4n4") and more.blocks("FRUITY") and more.blocks("hannanas")
    assert more.blocks("a bad  day") and not more.blocks("a bad dayly")
    assert not more.blocks("an ass in a stable")
    assert more.blocks("fuck"), "and ours is still there"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("ok\nschön\n".encode("latin-1"), "line 2 .* is not UTF-8; it looks like Windows-1252"),
        ("ok\n".encode("utf-16"), "line 1 .* UTF-16"),
        (b"ok\nb*d\n", "line 2 .*: a star may stand at the end"),
        (b"ok\n*bad\n", "line 2 .*: a star may stand"),
        (b"\n\nx\n", "line 3 .*: a word has at least two letters"),
        (b"x" * 61, "line 1 .*: a word or phrase has at most 60"),
        (b"# note\n" * 200_000, "has more than 1,048,576 bytes"),
    ],
)
def test_a_wrong_file_is_told_by_line_and_encoding(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes(data)
    with pytest.raises(InvalidSetting, match=f"audience_words: .*{said}"):
        list(read_words(str(file)))


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(InvalidSetting, match="nowhere.txt cannot be read"):
        list(read_words("nowhere.txt"))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  a\tred\n\n fox \r\n", "a red fox"),
        ("a\x00b\x1b[31mc\u202ed\u2066e\ufeff", "ab[31mcde"),
        ("Z" + "\u0301" * 40 + "a", "Ź" + "\u0301" * MARKS + "a"),
        ("Ź̸̢͎a⃝", None),
        ("می‌خواهم 👩‍🚀 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️", "می‌خواهم 👩‍🚀 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️"),
        ("<b>ok</b>", "<b>ok</b>"),
        ("\ud800\ue000x", "x"),
    ],
)
def test_texts_are_cleaned(text: str, cleaned: str | None) -> None:
    found = clean(text, PROMPT_CHARACTERS)
    if cleaned is not None:
        assert found == cleaned
    assert clean(found, PROMPT_CHARACTERS) == found


def test_texts_are_cut_and_what_cannot_be_seen_is_none() -> None:
    assert len(clean("x" * 10_000, NAME_CHARACTERS)) == NAME_CHARACTERS
    assert not visible(clean("\u200d\u200b \u3164"[:3], 20))
    assert visible("🐈") and visible("!") and visible("नमस्ते")
