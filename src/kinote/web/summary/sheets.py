"""A note's summary as sheets of paper: a PDF, or one PNG of all sheets.

The font at hand has the letters of English only. Words it cannot draw are left out, and the sheet says so;
the page has them.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator

from PIL import Image, ImageDraw, ImageFont

from kinote.holdings.door import Door
from kinote.web.summary.content import KeyImage, Summary, pictures

#: A4 at 150 dots per inch, its margin, and how pictures lie on it, in pixels.
_WIDTH, _HEIGHT, _MARGIN = 1240, 1754, 60
_COLUMNS, _CELL = 3, 373
_RESOLUTION = 150
_LINE = 30
_CAPTION_LINES = 2
_REASON_LINES = 8
_ROW = _CELL + _LINE * (_CAPTION_LINES + 1)

#: Lines of description that the first sheet has room for.
_DESCRIPTION_LINES = 20

_UNDRAWABLE = "(Some words are in a script that cannot be drawn here; see this summary as text/html.)"


def pdf(door: Door, shown: Summary, is_gone: Callable[[], bool] = lambda: False) -> bytes:
    first, *others = _sheets(door, shown, is_gone)
    written = io.BytesIO()
    first.save(written, "PDF", save_all=True, append_images=others, resolution=_RESOLUTION)
    return written.getvalue()


def png(door: Door, shown: Summary, is_gone: Callable[[], bool] = lambda: False) -> bytes:
    sheets = _sheets(door, shown, is_gone)
    whole = Image.new("RGB", (_WIDTH, _HEIGHT * len(sheets)), "white")
    for number, sheet in enumerate(sheets):
        whole.paste(sheet, (0, number * _HEIGHT))
    written = io.BytesIO()
    whole.save(written, "PNG", compress_level=4)
    return written.getvalue()


def _sheets(door: Door, shown: Summary, is_gone: Callable[[], bool]) -> list[Image.Image]:
    sheet = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    sheets = [sheet]
    top = _words(ImageDraw.Draw(sheet), shown)
    column = 0
    for image, picture, instead in pictures(door, shown, is_gone):
        if top + _ROW > _HEIGHT - _MARGIN:
            sheet = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
            sheets.append(sheet)
            top = _MARGIN
        _place(sheet, (_MARGIN + column * _CELL, top), image, picture, instead)
        column = (column + 1) % _COLUMNS
        top += 0 if column else _ROW
    return sheets


def _words(draw: ImageDraw.ImageDraw, shown: Summary) -> int:
    """Write title, description and facts; gives where the pictures begin."""
    lines = list(_wrapped(shown.note.description, 90))[:_DESCRIPTION_LINES]
    lines += [""] if lines else []
    lines += [f"{name}: {value}" for name, value in shown.facts]
    lines += [f"and {shown.more} more key images, not shown"] if shown.more else []
    drawn = [line for line in lines if _is_drawable(line)]
    if len(drawn) < len(lines) or not _is_drawable(shown.title):
        drawn.append(_UNDRAWABLE)
    title = shown.title if _is_drawable(shown.title) else "Key Image Note"
    draw.text((_MARGIN, _MARGIN), title, "black", ImageFont.load_default(40))
    top = _MARGIN + 70
    for line in drawn:
        draw.text((_MARGIN, top), line[:100], "black", ImageFont.load_default(22))
        top += _LINE
    return top + _LINE


def _place(
    sheet: Image.Image, corner: tuple[int, int], image: KeyImage, picture: bytes | None, instead: str
) -> None:
    left, top = corner
    draw = ImageDraw.Draw(sheet)
    room = _CELL - 10
    draw.rectangle((left, top, left + room, top + room), "black" if picture else "lightgrey")
    if picture:
        with Image.open(io.BytesIO(picture)) as opened:
            opened.thumbnail((room, room))
            sheet.paste(opened, (left + (room - opened.width) // 2, top + (room - opened.height) // 2))
    else:
        for number, line in enumerate(textwrap.wrap(instead, 30)[:_REASON_LINES]):
            draw.text((left + 20, top + 20 + number * _LINE), line, "black", ImageFont.load_default(20))
    caption = textwrap.wrap(f"{image.number}. {image.caption}", 34)[:_CAPTION_LINES]
    for number, line in enumerate(caption):
        draw.text((left, top + room + 5 + number * _LINE), line, "black", ImageFont.load_default(20))


def _wrapped(text: str, width: int) -> Iterator[str]:
    for line in text.splitlines():
        yield from textwrap.wrap(line, width) or [""]


def _is_drawable(text: str) -> bool:
    return text.isascii()
