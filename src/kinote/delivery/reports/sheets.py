"""A note's summary as sheets of paper: a PDF, or one PNG of all sheets.

Words are drawn with the fonts of their scripts. Where there is none, the sheet says so; the page has them.
"""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageDraw

from kinote.delivery.reports.content import KeyImage, Summary, pictures
from kinote.dicom.pixels.presenting.lettering import can_draw, draw_text, wrapped
from kinote.holdings.door import Door

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

#: Lines of facts; modifiers may be many.
_FACT_LINES = 24

_UNDRAWABLE = "(Some words are in a script that cannot be drawn here; see this summary as text/html.)"
_TITLE_SIZE, _SIZE, _SMALL = 40, 22, 20


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
    note, room = shown.note, _WIDTH - 2 * _MARGIN
    said = wrapped(note.description, room, _SIZE, _DESCRIPTION_LINES, note.language)
    facts: list[str] = []
    for name, value in shown.facts:
        facts += wrapped(f"{name}: {value}", room, _SIZE, _FACT_LINES - len(facts) or 1)
    lines = [*said, *([""] if said else []), *facts[:_FACT_LINES]]
    lines += [f"and {shown.more} more key images, not shown"] if shown.more else []
    if not all(can_draw(line) for line in (shown.title, *lines)):
        lines.append(_UNDRAWABLE)
    top = _MARGIN
    for line in wrapped(shown.title, room, _TITLE_SIZE, 2):
        draw_text(draw, (_MARGIN, top), line, _TITLE_SIZE, "black")
        top += 60
    for line in lines:
        draw_text(draw, (_MARGIN, top), line, _SIZE, "black", note.language)
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
        for number, line in enumerate(wrapped(instead, room - 40, _SMALL, _REASON_LINES)):
            draw_text(draw, (left + 20, top + 20 + number * _LINE), line, _SMALL, "black")
    for number, line in enumerate(wrapped(f"{image.number}. {image.caption}", room, _SMALL, _CAPTION_LINES)):
        draw_text(draw, (left, top + room + 5 + number * _LINE), line, _SMALL, "black")
