"""A report as sheets of paper: a PDF, or one PNG of all sheets; and the contact sheet of a study.

Text is drawn with the fonts of its scripts. If there is none, the sheet says so; the HTML page has the text.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

from PIL import Image, ImageDraw

from kinote.delivery.reports.content import KeyImage, Report, Summary, pictures, study_lines, until_when
from kinote.delivery.reports.paper import HEIGHT, WIDTH, Sheet, pdf_of
from kinote.dicom.pixels.presenting.lettering import can_draw, wrapped
from kinote.holdings.door import Door

#: The margins and the layout of pictures on a sheet, in pixels.
_MARGIN, _BOTTOM = 60, 110
_COLUMNS, _CELL = 3, 373
_LINE = 30
_CAPTION_LINES = 3
_REASON_LINES = 8

_ROOM = WIDTH - 2 * _MARGIN

#: The most lines of a note's description and facts; there may be many modifiers.
_DESCRIPTION_LINES = 20
_FACT_LINES = 12

#: The most lines of a name, a title, and the facts about a study.
_HEAD_LINES = 2

_UNDRAWABLE = "(Some words are in a script that cannot be drawn here; see this summary as text/html.)"
_NOTHING = "No notes flag images of this study."
_TITLE_SIZE, _SIZE, _SMALL = 34, 22, 18
_GREY, _RULE = "#555", "#999"

#: Contact sheets have more columns, and smaller pictures.
_SMALL_COLUMNS = 5
_SMALL_CELL = _ROOM // _SMALL_COLUMNS


def pdf(door: Door, shown: Report, is_gone: Callable[[], bool] = lambda: False) -> bytes:
    return b"".join(pdf_of(_Layout(shown).sheets(door, is_gone), shown.title))


def png(door: Door, shown: Report, is_gone: Callable[[], bool] = lambda: False) -> bytes:
    sheets = [sheet.image for sheet in _Layout(shown).sheets(door, is_gone)]
    whole = Image.new("RGB", (WIDTH, HEIGHT * len(sheets)), "white")
    for number, sheet in enumerate(sheets):
        whole.paste(sheet, (0, number * HEIGHT))
    return _as_png(whole)


def contact_sheet(door: Door, shown: Report, is_gone: Callable[[], bool] = lambda: False) -> bytes:
    """Return a PNG with all key images of a study, each with its note's title."""
    count = sum(len(each.images) for each in shown.notes)
    row = _SMALL_CELL + (_CAPTION_LINES + 1) * _LINE
    sheet = Sheet()
    top = _head(sheet, shown)
    whole = Image.new("RGB", (WIDTH, top + max(1, -(-count // _SMALL_COLUMNS)) * row + _MARGIN), "white")
    whole.paste(sheet.image.crop((0, 0, WIDTH, top)))
    drawn = Sheet(whole)
    if not count:
        drawn.write((_MARGIN, top), _NOTHING, _SIZE)
    until, number = until_when(), 0
    for one in shown.notes:
        for image, picture, instead in pictures(door, one, is_gone, until=until):
            corner = (_MARGIN + number % _SMALL_COLUMNS * _SMALL_CELL, top + number // _SMALL_COLUMNS * row)
            _place(drawn, corner, _SMALL_CELL, f"{one.title}: {image.caption}", picture, instead)
            number += 1
    return _as_png(whole)


def _as_png(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, "PNG", compress_level=4)
    return written.getvalue()


class _Layout:
    """Fills sheets from the top. Each names its study and its page number; the total is not known yet."""

    def __init__(self, shown: Report) -> None:
        self._shown = shown
        self._number = 0
        self._begin()

    def _begin(self) -> None:
        self._number += 1
        self._sheet = Sheet()
        if self._number == 1:
            self._top = _head(self._sheet, self._shown)
        else:
            self._top = _MARGIN
            for line in wrapped(_patient(self._shown), _ROOM, _SMALL, 1):
                self._sheet.write((_MARGIN, self._top), line, _SMALL, fill=_GREY)
            self._top = _rule(self._sheet, self._top + _LINE) + 15

    def _ended(self) -> Sheet:
        """Return the sheet with its footer."""
        foot = HEIGHT - _BOTTOM + 40
        _rule(self._sheet, foot - 10)
        said = (
            f"Page {self._number}   Study {self._shown.study_instance_uid}   Pictures are not for diagnosis."
        )
        self._sheet.write((_MARGIN, foot), said, _SMALL, fill=_GREY)
        return self._sheet

    def _made_room(self, height: int) -> Iterator[Sheet]:
        if self._top + height > HEIGHT - _BOTTOM:
            yield self._ended()
            self._begin()

    def sheets(self, door: Door, is_gone: Callable[[], bool]) -> Iterator[Sheet]:
        until = until_when()
        for number, one in enumerate(self._shown.notes):
            yield from self._note(one, is_first=not number)
            yield from self._pictures(pictures(door, one, is_gone, until=until))
        if not self._shown.notes:
            yield from self._lines([_NOTHING], _SIZE)
        if self._shown.more:
            yield from self._lines([f"and {self._shown.more} more notes, not shown"], _SIZE)
        yield self._ended()

    def _note(self, one: Summary, *, is_first: bool) -> Iterator[Sheet]:
        note = one.note
        title = wrapped(one.title, _ROOM, _TITLE_SIZE, _HEAD_LINES)
        said = wrapped(note.description, _ROOM, _SIZE, _DESCRIPTION_LINES, note.language)
        facts = wrapped(
            "   ".join(f"{name}: {value}" for name, value in one.note_facts), _ROOM, _SMALL, _FACT_LINES
        )
        if one.more:
            facts.append(f"and {one.more} more key images, not shown")
        if not all(can_draw(line) for line in (*title, *said, *facts)):
            facts.append(_UNDRAWABLE)
        # A note's text and its first row of pictures stay on one page.
        words = 50 * len(title) + _LINE * (len(said) + len(facts)) + 40
        yield from self._made_room(words + (_row(_CELL) if one.images else 0))
        if not is_first:
            self._top = _rule(self._sheet, self._top) + 20
        for line in title:
            self._sheet.write((_MARGIN, self._top), line, _TITLE_SIZE)
            self._top += 50
        yield from self._lines(said, _SIZE, note.language)
        yield from self._lines(facts, _SMALL, note.language, fill=_GREY)
        self._top += 15

    def _lines(self, lines: list[str], size: int, language: str = "", fill: str = "black") -> Iterator[Sheet]:
        for line in lines:
            yield from self._made_room(_LINE)
            self._sheet.write((_MARGIN, self._top), line, size, language, fill)
            self._top += _LINE

    def _pictures(self, made: Iterator[tuple[KeyImage, bytes | None, str]]) -> Iterator[Sheet]:
        column = 0
        for image, picture, instead in made:
            if not column:
                yield from self._made_room(_row(_CELL))
            corner = (_MARGIN + column * _CELL, self._top)
            _place(self._sheet, corner, _CELL, f"{image.number}. {image.caption}", picture, instead)
            column = (column + 1) % _COLUMNS
            if not column:
                self._top += _row(_CELL)
        if column:
            self._top += _row(_CELL)


def _row(cell: int) -> int:
    return cell + _LINE * (_CAPTION_LINES + 1) - _LINE // 2


def _patient(shown: Report) -> str:
    return "   ".join(value for _, value in study_lines(shown.study)[:3])


def _head(sheet: Sheet, shown: Report) -> int:
    """Write the header with patient and study. Return where the rest begins."""
    lines = study_lines(shown.study)
    top = _MARGIN
    first = next((value for name, value in lines if name == "Patient"), "")
    for line in wrapped(first or shown.title, _ROOM, _TITLE_SIZE, _HEAD_LINES):
        sheet.write((_MARGIN, top), line, _TITLE_SIZE)
        top += 50
    said = "   ".join(f"{name}: {value}" for name, value in lines if name not in ("Patient", "Study"))
    study = next((f"{name}: {value}" for name, value in lines if name == "Study"), "")
    for text in (said, study):
        for line in wrapped(text, _ROOM, _SIZE, _HEAD_LINES) if text else ():
            sheet.write((_MARGIN, top), line, _SIZE)
            top += _LINE
    if not all(can_draw(value) for _, value in lines):
        sheet.write((_MARGIN, top), _UNDRAWABLE, _SMALL)
        top += _LINE
    return _rule(sheet, top + 15) + 25


def _rule(sheet: Sheet, top: int) -> int:
    ImageDraw.Draw(sheet.image).line((_MARGIN, top, WIDTH - _MARGIN, top), _RULE, 2)
    return top


def _place(
    sheet: Sheet, corner: tuple[int, int], cell: int, caption: str, picture: bytes | None, instead: str
) -> None:
    left, top = corner
    room = cell - 10
    ImageDraw.Draw(sheet.image).rectangle(
        (left, top, left + room, top + room), "black" if picture else "lightgrey"
    )
    if picture:
        with Image.open(io.BytesIO(picture)) as opened:
            opened.thumbnail((room, room))
            sheet.image.paste(opened, (left + (room - opened.width) // 2, top + (room - opened.height) // 2))
    else:
        for number, line in enumerate(wrapped(instead, room - 40, _SMALL, _REASON_LINES)):
            sheet.write((left + 20, top + 20 + number * _LINE), line, _SMALL)
    for number, line in enumerate(wrapped(caption, room, _SMALL, _CAPTION_LINES)):
        sheet.write((left, top + room + 5 + number * (_LINE - 4)), line, _SMALL)
