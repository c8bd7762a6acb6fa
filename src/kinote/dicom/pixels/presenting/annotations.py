"""Graphics and text of a presentation state, drawn on the finished picture (PS3.3 C.10.5, C.10.7)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from PIL import Image, ImageDraw

from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.pixels.presenting.lettering import draw_text, width, wrapped
from kinote.dicom.pixels.presenting.presentation_states import Presentation

_ANNOTATIONS = 0x00700001
_LAYER = 0x00700002
_TEXTS, _GRAPHICS = 0x00700008, 0x00700009
_BOX_UNITS, _ANCHOR_UNITS, _GRAPHIC_UNITS = 0x00700003, 0x00700004, 0x00700005
_TEXT = 0x00700006
_BOX_FROM, _BOX_TO, _ANCHOR, _IS_ANCHOR_SHOWN = 0x00700010, 0x00700011, 0x00700014, 0x00700015
_DATA, _TYPE, _IS_FILLED = 0x00700022, 0x00700023, 0x00700024
_LAYERS, _ORDER, _GREY, _LAB = 0x00700060, 0x00700062, 0x00700066, 0x00700401

#: A state with more than this is drawn only up to here. All points of one graphic count together.
_MOST_OBJECTS = 2000
_MOST_POINTS = 20_000
_MOST_CHARACTERS = 1024
_MOST_LINES = 40

#: The number of segments of a circle or an ellipse, and of a curve between two of its points.
_ARCS, _STEPS = 90, 12

#: The height of letters as a share of the height of the picture, and the least in pixels.
_LETTERS, _LEAST = 1 / 36, 11

#: Points far outside of a picture are moved nearer; lines keep their direction.
_FAR = 1e5

Point = tuple[float, float]
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Placing:
    """Places the pixels of an image on its picture of `size`: the `area` shown, turned, flipped and scaled."""

    area: tuple[int, int, int, int]
    quarter_turns: int
    is_flipped: bool
    size: tuple[int, int]

    def pixel(self, point: Point) -> Point:
        """Place a point of the image, whose upper left corner is 0, 0 (PIXEL)."""
        left, upper, right, lower = self.area
        wide, high = float(right - left), float(lower - upper)
        across, down = point[0] - left, point[1] - upper
        for _ in range(self.quarter_turns):
            across, down = high - down, across
            wide, high = high, wide
        if self.is_flipped:
            across = wide - across
        return across * self.size[0] / wide, down * self.size[1] / high

    def display(self, point: Point) -> Point:
        """Place a point of the displayed area, from 0, 0 to 1, 1 (DISPLAY)."""
        return point[0] * self.size[0], point[1] * self.size[1]

    def placed(self, units: str | None, points: Sequence[Point]) -> list[Point]:
        place = self.display if (units or "").upper() == "DISPLAY" else self.pixel
        return [(min(max(x, -_FAR), _FAR), min(max(y, -_FAR), _FAR)) for x, y in map(place, points)]


def annotate(picture: Image.Image, state: Presentation, placing: Placing) -> Image.Image:
    """Return the picture with the graphics and texts that a state has for its image, layer by layer."""
    items = [item for item in state.header.items(_ANNOTATIONS) if state.is_meant(item)]
    if not items:
        return picture
    layers = {(layer.text(_LAYER) or ""): layer for layer in state.header.items(_LAYERS)}
    items.sort(key=lambda item: _order(layers.get(item.text(_LAYER) or "")))
    drawn = picture.convert("RGB")
    draw = ImageDraw.Draw(drawn)
    left = _MOST_OBJECTS
    for item in items:
        colour = _colour(layers.get(item.text(_LAYER) or ""))
        for graphic in islice(item.items(_GRAPHICS), left):
            _draw_graphic(draw, graphic, placing, colour)
            left -= 1
        for text in islice(item.items(_TEXTS), left):
            _draw_text(draw, text, placing, colour)
            left -= 1
    return drawn


def _order(layer: DataSet | None) -> int:
    return (layer.integer(_ORDER) or 0) if layer is not None else 0


def _colour(layer: DataSet | None) -> Colour:
    if layer is not None:
        lab = layer.integers(_LAB)
        if len(lab) == 3:
            return _from_lab(*lab)
        grey = layer.integer(_GREY)
        if grey is not None:
            return (grey >> 8 & 0xFF,) * 3
    return 255, 255, 255


def _from_lab(lightness: int, a: int, b: int) -> Colour:
    """Convert CIELab, scaled as in DICOM (PS3.3 C.10.7.1.1), to sRGB with white point D65."""
    y = (lightness / 65535 * 100 + 16) / 116
    x, z = y + (a / 65535 * 255 - 128) / 500, y - (b / 65535 * 255 - 128) / 200
    x, y, z = (each**3 if each > 6 / 29 else 3 * (6 / 29) ** 2 * (each - 4 / 29) for each in (x, y, z))
    x, z = x * 0.95047, z * 1.08883
    linear = (
        3.2406 * x - 1.5372 * y - 0.4986 * z,
        -0.9689 * x + 1.8758 * y + 0.0415 * z,
        0.0557 * x - 0.2040 * y + 1.0570 * z,
    )
    red, green, blue = (_gamma(min(max(each, 0.0), 1.0)) for each in linear)
    return red, green, blue


def _gamma(linear: float) -> int:
    shown = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(255 * shown)


def _points(item: DataSet, tag: int, most: int) -> list[Point]:
    numbers = item.numbers(tag)[: 2 * most]
    if any(number is None or not math.isfinite(number) for number in numbers):
        return []
    known = [number for number in numbers if number is not None]
    return list(zip(known[::2], known[1::2], strict=False))


def _draw_graphic(draw: ImageDraw.ImageDraw, graphic: DataSet, placing: Placing, colour: Colour) -> None:
    kind = (graphic.text(_TYPE) or "").upper()
    points = _points(graphic, _DATA, _MOST_POINTS)
    line = list(_line(kind, points))
    placed = placing.placed(graphic.text(_GRAPHIC_UNITS), line)
    thickness = max(round(min(placing.size) / 400), 1)
    if kind == "POINT":
        for x, y in placed[:1]:
            draw.line([(x - 4, y), (x + 4, y)], colour, thickness)
            draw.line([(x, y - 4), (x, y + 4)], colour, thickness)
    elif len(placed) > 1:
        if (graphic.text(_IS_FILLED) or "").upper() == "Y" and len(placed) > 2:
            draw.polygon(placed, colour)
        draw.line(placed, colour, thickness)


def _line(kind: str, points: Sequence[Point]) -> Iterator[Point]:
    """Yield the corners of a graphic as a line of straight segments."""
    if kind == "CIRCLE" and len(points) == 2:
        (x, y), (on_x, on_y) = points
        radius = math.hypot(on_x - x, on_y - y)
        yield from _ellipse((x, y), (radius, 0.0), (0.0, radius))
    elif kind == "ELLIPSE" and len(points) == 4:
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
        middle = (ax + bx) / 2, (ay + by) / 2
        yield from _ellipse(middle, ((bx - ax) / 2, (by - ay) / 2), ((dx - cx) / 2, (dy - cy) / 2))
    elif kind == "INTERPOLATED":
        yield from _curve(points)
    else:
        yield from points


def _ellipse(middle: Point, major: Point, minor: Point) -> Iterator[Point]:
    for number in range(_ARCS + 1):
        cosine, sine = (
            math.cos(2 * math.pi * number / _ARCS),
            math.sin(2 * math.pi * number / _ARCS),
        )
        yield (
            middle[0] + cosine * major[0] + sine * minor[0],
            middle[1] + cosine * major[1] + sine * minor[1],
        )


def _curve(points: Sequence[Point]) -> Iterator[Point]:
    """Yield a curve through all points (Catmull-Rom). The standard does not say which curve."""
    for number in range(len(points) - 1):
        before, begin, end, after = (
            points[min(max(number + offset, 0), len(points) - 1)] for offset in (-1, 0, 1, 2)
        )
        for step in range(_STEPS):
            t = step / _STEPS
            yield tuple(  # type: ignore[misc]
                begin[axis]
                + 0.5 * t * (end[axis] - before[axis])
                + t * t * (before[axis] - 2.5 * begin[axis] + 2 * end[axis] - 0.5 * after[axis])
                + t * t * t * (1.5 * (begin[axis] - end[axis]) + 0.5 * (after[axis] - before[axis]))
                for axis in (0, 1)
            )
    yield from points[-1:]


def _draw_text(draw: ImageDraw.ImageDraw, text: DataSet, placing: Placing, colour: Colour) -> None:
    words = (text.text(_TEXT) or "")[:_MOST_CHARACTERS]
    box = placing.placed(text.text(_BOX_UNITS), _points(text, _BOX_FROM, 1) + _points(text, _BOX_TO, 1))
    anchor = placing.placed(text.text(_ANCHOR_UNITS), _points(text, _ANCHOR, 1))
    size = max(round(placing.size[1] * _LETTERS), _LEAST)
    if len(box) == 2:
        left, upper = min(box[0][0], box[1][0]), min(box[0][1], box[1][1])
        room = max(abs(box[1][0] - box[0][0]), float(size))
    elif anchor:
        (left, upper), room = anchor[0], float(placing.size[0])
    else:
        return
    if len(box) == 2 and anchor and (text.text(_IS_ANCHOR_SHOWN) or "").upper() == "Y":
        draw.line([(left, upper + size / 2), anchor[0]], colour, 1)
    for number, line in enumerate(wrapped(words, room, size, _MOST_LINES)):
        draw_text(draw, (left, upper + 1.3 * size * number), line, size, colour)


def burn_in(picture: Image.Image, corners: Sequence[Sequence[str]]) -> Image.Image:
    """Return the picture with lines of text in its upper left, upper right and lower left corner."""
    if not any(corners):
        return picture
    drawn = picture.convert("RGB")
    draw = ImageDraw.Draw(drawn)
    size = max(round(drawn.height * _LETTERS), _LEAST)
    for number, lines in enumerate(corners):
        top = float(size) / 2 if number < 2 else drawn.height - 1.3 * size * len(lines) - size / 2
        for row, line in enumerate(lines):
            wide = width(line, size)
            left = drawn.width - wide - size / 2 if number == 1 else size / 2
            for offset, colour in ((1, (0, 0, 0)), (0, (255, 255, 255))):
                draw_text(draw, (left + offset, top + 1.3 * size * row + offset), line, size, colour)
    return drawn
