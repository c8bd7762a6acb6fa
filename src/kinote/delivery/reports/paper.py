"""Sheets of paper with pictures and text, and a PDF of them whose text can be searched, copied and read aloud.

A sheet is a picture. Its text is added invisibly, in fonts without outlines (PDF 32000-1 9.6.5, Type 3), with a table
that maps codes to characters (9.10.3). The PDF therefore needs no font, whatever the script.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

from kinote.dicom.pixels.presenting.lettering import draw_text, laid_out

#: A4 at 150 dots per inch, in pixels.
WIDTH, HEIGHT = 1240, 1754
_RESOLUTION = 150
_POINTS = 72 / _RESOLUTION

_QUALITY = 92

#: The number of codes of a font.
_CODES = 256

#: The width of each letter in our fonts, in parts of an em. Each part of a line is stretched to its visible width.
_ADVANCE = 500


@dataclass(frozen=True, slots=True)
class _Line:
    left: float
    baseline: float
    size: int
    text: str
    language: str


@dataclass(slots=True)
class Sheet:
    """A sheet, and the text on it."""

    image: Image.Image = field(default_factory=lambda: Image.new("RGB", (WIDTH, HEIGHT), "white"))
    lines: list[_Line] = field(default_factory=list)

    def write(
        self, place: tuple[float, float], text: str, size: int, language: str = "", fill: str = "black"
    ) -> None:
        """Write a line. `place` is its upper left corner."""
        draw_text(ImageDraw.Draw(self.image), place, text, size, fill, language)
        if text.strip():
            self.lines.append(_Line(place[0], place[1] + size, size, text, language))


def pdf_of(sheets: Iterable[Sheet], title: str) -> Iterator[bytes]:
    """Yield a PDF of sheets. A sheet is not needed any more once it is written."""
    return _Document(title).written(sheets)


class _Document:
    """A PDF that is being written. Objects 1 and 2 are its catalog and its pages, 3 is its title."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._at = 0
        self._places: dict[int, int] = {}
        self._next = 4
        self._letters: dict[str, int] = {}

    def written(self, sheets: Iterable[Sheet]) -> Iterator[bytes]:
        yield self._counted(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        pages: list[int] = []
        # All letters are known only at the end, so the pages share one dictionary of fonts.
        resources = self._number()
        for sheet in sheets:
            pages.append(page := self._number())
            picture, content = self._number(), self._number()
            yield self._picture(picture, sheet.image)
            yield self._stream(content, b"", self._content(sheet))
            yield self._object(
                page,
                f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {WIDTH * _POINTS:.2f} {HEIGHT * _POINTS:.2f}]"
                f"/Resources<</XObject<</P {picture} 0 R>>/Font {resources} 0 R>>/Contents {content} 0 R>>",
            )
        fonts: list[str] = []
        letters = list(self._letters)
        for first in range(0, len(letters), _CODES):
            table, number = self._number(), self._number()
            here = letters[first : first + _CODES]
            yield self._stream(table, b"", _meanings(here))
            yield self._object(number, _font(len(here), table))
            fonts.append(f"/F{first // _CODES} {number} 0 R")
        yield self._object(resources, f"<<{''.join(fonts)}>>")
        yield self._object(1, "<</Type/Catalog/Pages 2 0 R/ViewerPreferences<</DisplayDocTitle true>>>>")
        kids = " ".join(f"{page} 0 R" for page in pages)
        yield self._object(2, f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>")
        yield self._object(
            3, f"<</Title <FEFF{self._title.encode('utf-16-be', 'replace').hex()}>/Producer (Kinote)>>"
        )
        yield self._end()

    def _content(self, sheet: Sheet) -> bytes:
        parts = [f"q {WIDTH * _POINTS:.2f} 0 0 {HEIGHT * _POINTS:.2f} 0 0 cm /P Do Q BT 3 Tr"]
        for line in sheet.lines:
            size = line.size * _POINTS
            down = (HEIGHT - line.baseline) * _POINTS
            for part in laid_out(line.text, line.size, line.language):
                seen = part.as_seen
                stretched = part.width / (len(seen) * line.size * _ADVANCE / 1000) * 100
                left = (line.left + part.across) * _POINTS
                parts.append(f"{stretched:.2f} Tz 1 0 0 1 {left:.2f} {down:.2f} Tm {self._shown(seen, size)}")
        parts.append("ET")
        return "\n".join(parts).encode("ascii")

    def _shown(self, text: str, size: float) -> str:
        """Return the operators that show letters, with their fonts."""
        shown: list[str] = []
        current = -1
        for letter in text:
            number = self._letters.setdefault(letter, len(self._letters))
            font, code = divmod(number, _CODES)
            if font != current:
                shown.append(f"{'> Tj ' if shown else ''}/F{font} {size:.2f} Tf <")
                current = font
            shown.append(f"{code:02x}")
        return "".join(shown) + "> Tj"

    def _picture(self, number: int, image: Image.Image) -> bytes:
        written = io.BytesIO()
        image.save(written, "JPEG", quality=_QUALITY, subsampling=0)
        head = (
            f"/Type/XObject/Subtype/Image/Width {image.width}/Height {image.height}/ColorSpace/DeviceRGB"
            "/BitsPerComponent 8/Filter/DCTDecode"
        )
        return self._stream(number, head.encode("ascii"), written.getvalue())

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _object(self, number: int, content: str) -> bytes:
        return self._placed(number, content.encode("ascii"))

    def _stream(self, number: int, head: bytes, data: bytes) -> bytes:
        if b"/Filter" not in head:
            data = zlib.compress(data)
            head += b"/Filter/FlateDecode"
        return self._placed(number, b"<<%b/Length %d>>\nstream\n%b\nendstream" % (head, len(data), data))

    def _placed(self, number: int, content: bytes) -> bytes:
        self._places[number] = self._at
        return self._counted(b"%d 0 obj\n%b\nendobj\n" % (number, content))

    def _counted(self, data: bytes) -> bytes:
        self._at += len(data)
        return data

    def _end(self) -> bytes:
        table = "".join(f"{self._places[number]:010} 00000 n \n" for number in range(1, self._next))
        return (
            f"xref\n0 {self._next}\n0000000000 65535 f \n{table}"
            f"trailer\n<</Size {self._next}/Root 1 0 R/Info 3 0 R>>\nstartxref\n{self._at}\n%%EOF\n"
        ).encode("ascii")


def _font(letters: int, meanings: int) -> str:
    names = "".join(f"/g{code}" for code in range(letters))
    widths = f"{_ADVANCE} " * letters
    # A glyph that draws nothing.
    return (
        f"<</Type/Font/Subtype/Type3/FontBBox[0 -250 1000 1000]/FontMatrix[0.001 0 0 0.001 0 0]/Resources<<>>"
        f"/CharProcs<<>>/Encoding<</Type/Encoding/Differences[0{names}]>>/FirstChar 0/LastChar {letters - 1}"
        f"/Widths[{widths}]/ToUnicode {meanings} 0 R>>"
    )


def _meanings(letters: list[str]) -> bytes:
    """Return the table that maps the codes of a font to characters (PDF 32000-1 9.10.3)."""
    lines = [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
        "/CMapName /Kinote def /CMapType 2 def",
        "1 begincodespacerange <00> <FF> endcodespacerange",
    ]
    # A section has at most 100 lines.
    for first in range(0, len(letters), 100):
        here = letters[first : first + 100]
        lines.append(f"{len(here)} beginbfchar")
        lines += [
            f"<{code:02x}> <{letter.encode('utf-16-be', 'replace').hex()}>"
            for code, letter in enumerate(here, first)
        ]
        lines.append("endbfchar")
    lines.append("endcmap CMapName currentdict /CMap defineresource pop end end")
    return "\n".join(lines).encode("ascii")
