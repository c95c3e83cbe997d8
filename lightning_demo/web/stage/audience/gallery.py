"""What the wall has shown of the audience, for the presenter to take home.

Made in memory when it is asked for, of what the tray keeps within its bounds; never on disk.
"""

from __future__ import annotations

import asyncio
import csv
import io
import math
import re
import unicodedata
import zipfile
from dataclasses import dataclass
from html import escape

from PIL import Image, ImageDraw
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ....errors import InvalidRequest, LightningError
from ...http_json import problem_of, read_json
from ..stage import Stage
from .audience import Audience
from .sheet_fonts import drawable

SHEET_SIDE = 4_096  # px, at most
CELL = 256  # px, less where there are many
CAPTION = 34
FONT_SIZE = 12
PAPER, INK, SOFT = "#f3f1ed", "#1a1916", "#5c584f"
KINDS = {"zip": "application/zip", "sheet": "image/jpeg"}


class NothingShown(LightningError):
    """There is no gallery yet."""

    status = 404


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of the gallery."""

    number: int  # of its member
    name: str
    colour: str
    prompt: str
    seed: int
    votes: int
    data: bytes


def gallery_route(stage: Stage) -> Route:
    """`POST /stage/gallery` with code, token and kind; the token is the presenter's."""

    async def gallery(request: Request) -> Response:
        try:
            fields = await read_json(request)
            if fields.get("kind") not in tuple(KINDS):  # which may be asked of anything
                raise InvalidRequest(f"kind: must be one of {', '.join(KINDS)}.")
            audience = stage.audience_of_presenter(fields.get("code"), fields.get("token"))
            pictures = collect(audience)
            make = as_zip if fields["kind"] == "zip" else as_sheet
            data = await asyncio.to_thread(make, pictures)
        except LightningError as problem:
            return problem_of(problem)
        headers = {"Cache-Control": "no-store"}
        return Response(data, headers=headers, media_type=KINDS[fields["kind"]])

    return Route("/stage/gallery", gallery, methods=["POST"])


def collect(audience: Audience) -> list[Shown]:
    """All that was released, in that order.

    Raises:
        NothingShown: nothing was.
    """
    found = [
        Shown(
            entry.member.number,
            "" if audience.hall.anonymous else entry.member.name,
            entry.member.colour,
            entry.painting.prompt,
            entry.painting.request.seed,
            len(entry.votes),
            entry.painting.picture.data,
        )
        for entry in audience.tray.released
    ]
    if not found:
        raise NothingShown("Nothing of the audience has been shown yet.")
    return found


def as_zip(pictures: list[Shown]) -> bytes:
    """Pictures, a page that shows them, a table of them, and the contact sheet."""
    buffer = io.BytesIO()
    names = [file_name(place, each) for place, each in enumerate(pictures, 1)]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, each in zip(names, pictures, strict=True):
            archive.writestr(name, each.data)
        archive.writestr("contact-sheet.jpg", as_sheet(pictures))
        archive.writestr("index.html", _page(names, pictures))
        archive.writestr("pictures.csv", _table(names, pictures))
    return buffer.getvalue()


def as_sheet(pictures: list[Shown]) -> bytes:
    """All pictures on a sheet, JPEG, with numbers, votes, and words that this machine can draw."""
    columns = max(1, math.ceil(math.sqrt(len(pictures))))
    rows = math.ceil(len(pictures) / columns)
    cell = min(CELL, SHEET_SIDE // columns - 8, SHEET_SIDE // rows - CAPTION - 8)
    sheet = Image.new("RGB", (columns * (cell + 8) + 8, rows * (cell + CAPTION + 8) + 8), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, each in enumerate(pictures):
        x, y = 8 + place % columns * (cell + 8), 8 + place // columns * (cell + CAPTION + 8)
        picture = Image.open(io.BytesIO(each.data))
        picture.draft("RGB", (cell, cell))
        picture.thumbnail((cell, cell))
        sheet.paste(picture, (x + (cell - picture.width) // 2, y + (cell - picture.height) // 2))
        votes = f" · {each.votes} {'vote' if each.votes == 1 else 'votes'}" if each.votes else ""
        draw.ellipse((x, y + cell + 5, x + 9, y + cell + 14), each.colour)
        # The page beside it has all, in the fonts of whoever looks at it.
        end = x + cell
        after = _write(draw, (x + 14, y + cell + 2), f"{each.number}{votes}", INK, end)
        _write(draw, (after + 6, y + cell + 2), each.name, INK, end)
        _write(draw, (x, y + cell + 17), each.prompt, SOFT, end)
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], words: str, colour: str, end: int
) -> int:
    """Writes as much of the words as can be written and fits before `end`; returns where it ends.

    Apart from one another: words that run to the left would turn those beside them.
    """
    found = drawable(words, FONT_SIZE)
    if found is None:
        return place[0]
    text, font = found
    while text and place[0] + draw.textlength(text, font) > end:
        text = text[:-2].rstrip()
    draw.text(place, text, colour, font)
    return place[0] + math.ceil(draw.textlength(text, font))


def file_name(place: int, picture: Shown) -> str:
    """A name that every system takes: its place, whose it is, and the first words."""
    plain = unicodedata.normalize("NFKD", picture.prompt).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40].strip("-")
    return f"{place:03}-{picture.number}-{words or 'picture'}.jpg"


def _page(names: list[str], pictures: list[Shown]) -> str:
    figures = "\n".join(
        f'<figure><img src="{name}" alt="" loading="lazy"><figcaption>'
        f'<b><i style="background:{each.colour}"></i>{each.number} {escape(each.name)}</b>'
        f'<span dir="auto">{escape(each.prompt)}</span>'
        f"<small>{each.votes or ''}{' ♥' if each.votes else ''}</small></figcaption></figure>"
        for name, each in zip(names, pictures, strict=True)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What the audience painted</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ margin: 24px; background: {PAPER}; color: {INK}; font: 15px/1.4 system-ui, sans-serif;
  display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 20px; }}
figure {{ margin: 0; break-inside: avoid; }} img {{ width: 100%; border-radius: 8px; }}
figcaption {{ display: grid; gap: 2px; overflow-wrap: anywhere; }} small {{ color: {SOFT}; }}
i {{ display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px; }}
</style></head><body>
{figures}
</body></html>
"""


def _table(names: list[str], pictures: list[Shown]) -> bytes:
    """CSV with the mark by which spreadsheets know UTF-8; nothing in it is a formula."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["file", "number", "name", "prompt", "seed", "votes"])
    for name, each in zip(names, pictures, strict=True):
        words = [_no_formula(each.name), _no_formula(each.prompt)]
        table.writerow([name, each.number, *words, each.seed, each.votes])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _no_formula(text: str) -> str:
    return f"'{text}" if text[:1] in "=+-@" and text else text
