"""Draws text on pictures and sheets, in every script for which there is a font (Noto, SIL Open Font License).

The fonts come from packages that contain only fonts. Each letter is drawn with the font of its script. For Chinese
characters, the language or the letters around them decide. Right-to-left scripts and scripts with joining letters need
Pillow's layout engine Raqm.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from itertools import groupby

from PIL import ImageDraw, ImageFont, features

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_PACKAGED = "justmytype_intl_{}/fonts/ofl/notosans{}/NotoSans{}[{}].ttf"

#: Package and file of each font, by its name in the table of scripts.
_FILES = {
    "sans": "fontpkg_noto_sans/files/NotoSans[wdth,wght].ttf",
    **{
        name: _PACKAGED.format(package, name.lower(), name, axes)
        for package, names, axes in (
            ("cjk", ("JP", "KR", "SC", "TC"), "wght"),
            ("rtl", ("Arabic", "Hebrew"), "wdth,wght"),
            ("sea", ("Khmer", "Lao", "Myanmar", "Thai"), "wdth,wght"),
            ("south_asia", ("Bengali", "Devanagari", "Tamil", "Telugu"), "wdth,wght"),
        )
        for name in names
    },
}

#: The first code point of each script, and its font. `any` takes the font of the letters before it; `han` depends on
#: the language.
_SCRIPTS: tuple[tuple[int, str], ...] = (
    (0x0000, "none"),
    (0x0020, "any"),
    (0x0041, "sans"),
    (0x005B, "any"),
    (0x0061, "sans"),
    (0x007B, "any"),
    (0x007F, "none"),
    (0x00A0, "sans"),
    (0x0300, "any"),
    (0x0370, "sans"),
    (0x0530, "none"),
    (0x0590, "Hebrew"),
    (0x0600, "Arabic"),
    (0x0700, "none"),
    (0x0750, "Arabic"),
    (0x0780, "none"),
    (0x08A0, "Arabic"),
    (0x0900, "Devanagari"),
    (0x0980, "Bengali"),
    (0x0A00, "none"),
    (0x0B80, "Tamil"),
    (0x0C00, "Telugu"),
    (0x0C80, "none"),
    (0x0E00, "Thai"),
    (0x0E80, "Lao"),
    (0x0F00, "none"),
    (0x1000, "Myanmar"),
    (0x10A0, "none"),
    (0x1100, "KR"),
    (0x1200, "none"),
    (0x1780, "Khmer"),
    (0x1800, "none"),
    (0x1C80, "sans"),
    (0x1C90, "none"),
    (0x1D00, "sans"),
    (0x2000, "any"),
    (0x2070, "sans"),
    (0x2190, "han"),
    (0x2800, "none"),
    (0x2E80, "han"),
    (0x3040, "JP"),
    (0x3100, "han"),
    (0x3130, "KR"),
    (0x3190, "han"),
    (0xA4D0, "none"),
    (0xA720, "sans"),
    (0xA800, "none"),
    (0xAC00, "KR"),
    (0xD7B0, "none"),
    (0xF900, "han"),
    (0xFB00, "sans"),
    (0xFB1D, "Hebrew"),
    (0xFB50, "Arabic"),
    (0xFE00, "any"),
    (0xFE10, "han"),
    (0xFE70, "Arabic"),
    (0xFF00, "han"),
    (0xFFF0, "none"),
    (0x20000, "han"),
    (0x32000, "none"),
)
_BEGINNINGS = [first for first, _ in _SCRIPTS]

_FROM_THE_RIGHT = frozenset({"Arabic", "Hebrew"})
#: Numbers, also with Arabic digits, as they occur in a reversed text.
_NUMBERS = re.compile(r"\d+(?:[.,:/]\d+)*")

_NEED_RAQM = _FROM_THE_RIGHT | {"Bengali", "Devanagari", "Khmer", "Myanmar", "Tamil", "Telugu"}

#: Letters after which a line may break without a space: of Thai, Lao, Burmese, Khmer, Chinese, Japanese and Korean.
_ANYWHERE = r"\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u2E80-\uD7AF\uF900-\uFAFF\uFF00-\uFFEF"

#: One of these letters, or a word, with the space before it.
_PARTS = re.compile(rf"\s*(?:[{_ANYWHERE}]|[^\s{_ANYWHERE}]{{1,60}}|$)")


def can_draw(text: str) -> bool:
    """Return whether there is a font and a layout engine for every letter."""
    scripts = {_script(letter) for letter in text} - {"any"}
    if not has_fonts():
        return text.isascii() and "none" not in scripts
    return "none" not in scripts and (features.check("raqm") or not scripts & _NEED_RAQM)


def width(text: str, size: int, language: str = "") -> float:
    """Return the width of one line, in pixels."""
    return sum(font(name, size).getlength(part) for name, part in _runs(text, language))


def draw_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    fill: str | tuple[int, int, int],
    language: str = "",
) -> None:
    """Draw one line, from its upper left corner on. A letter without a font is drawn as a box."""
    across, down = place
    # Fonts of different heights share a baseline.
    baseline = down + size
    for part in laid_out(text, size, language):
        if isinstance(part.font, ImageFont.FreeTypeFont):
            draw.text((across + part.across, baseline), part.text, fill, part.font, anchor="ls")
        else:
            draw.text((across + part.across, down), part.text, fill, part.font)


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a line that is drawn with one font. `across` (from the left end) and `width` are in pixels."""

    font: Font
    text: str
    across: float
    width: float
    is_from_the_right: bool

    @property
    def as_seen(self) -> str:
        """The letters in the order in which they are seen from left to right. Numbers always run to the right."""
        if not self.is_from_the_right:
            return self.text
        return _NUMBERS.sub(lambda found: found.group()[::-1], self.text[::-1])


def laid_out(text: str, size: int, language: str = "") -> Iterator[Part]:
    """Yield the parts of a line from left to right."""
    runs = list(_runs(text, language))
    if runs and runs[0][0] in _FROM_THE_RIGHT:
        runs.reverse()
    across = 0.0
    for name, part in runs:
        used = font(name, size)
        wide = used.getlength(part)
        yield Part(used, part, across, wide, name in _FROM_THE_RIGHT)
        across += wide


def wrapped(text: str, room: float, size: int, most: int, language: str = "") -> list[str]:
    """Wrap a text to lines of at most `room` pixels. Return up to `most` lines."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line, length = "", 0.0
        for part in _PARTS.findall(paragraph):
            wide = width(part, size, language)
            if line and length + wide > room:
                lines.append(line)
                if len(lines) >= most:
                    return lines
                part = part.lstrip()
                line, length = "", 0.0
                wide = width(part, size, language)
            line, length = line + part, length + wide
        lines.append(line)
        if len(lines) >= most:
            return lines
    return lines


def _script(letter: str) -> str:
    return _SCRIPTS[bisect_right(_BEGINNINGS, ord(letter)) - 1][1]


def _runs(text: str, language: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a line that are drawn with one font, with its name."""
    han = _han(text, language)
    names: list[str] = []
    for letter in text:
        script = _script(letter)
        if script == "any":
            script = names[-1] if names else "sans"
        names.append(han if script == "han" else "sans" if script == "none" else script)
    at = 0
    for name, same in groupby(names):
        end = at + len(list(same))
        yield name, text[at:end]
        at = end


def _han(text: str, language: str) -> str:
    """Return the name of the font for Chinese characters."""
    language = language.lower()
    for beginnings, name in ((("ja",), "JP"), (("ko",), "KR"), (("zh-tw", "zh-hk", "zh-hant"), "TC")):
        if language.startswith(beginnings):
            return name
    scripts = {_script(letter) for letter in text}
    return "JP" if "JP" in scripts else "KR" if "KR" in scripts else "SC"


@lru_cache(maxsize=1)
def has_fonts() -> bool:
    """Return whether the packages of the fonts are installed."""
    try:
        return all(
            files(path.partition("/")[0]).joinpath(path.partition("/")[2]).is_file()
            for path in _FILES.values()
        )
    except ModuleNotFoundError:
        return False


@lru_cache(maxsize=128)
def font(name: str, size: int) -> Font:
    """Return a font of a size in pixels. Without the packages, it is Pillow's, which has the letters of English."""
    if not has_fonts():
        return ImageFont.load_default(size)
    package, _, path = _FILES[name].partition("/")
    with as_file(files(package).joinpath(path)) as file:
        loaded = ImageFont.truetype(file, size)
    # The default weight of some fonts is their thinnest.
    loaded.set_variation_by_axes([_REGULAR[axis["name"]] for axis in _axes(loaded)])
    return loaded


_REGULAR = {b"Weight": 400, b"Width": 100}


def _axes(loaded: ImageFont.FreeTypeFont) -> list[ImageFont.Axis]:
    return loaded.get_variation_axes()
