"""How an image is shown, as a request for a note says it, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

#: Decimal strings have 16 characters (PS3.5 6.2, DS), which hold every value below this.
_LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class Window:
    """Center and width of the window, in units of the Modality LUT's output (PS3.3 C.11.2.1.2, function LINEAR)."""

    center: float
    width: float


@dataclass(frozen=True, slots=True)
class Area:
    """The part of the image that is shown: first and last column and row, from 1, before rotation and flip."""

    left: int
    upper: int
    right: int
    lower: int


@dataclass(frozen=True, slots=True)
class View:
    """How an image is shown.

    Without a window, the image's own is kept; without an area, all of it is shown. `inverted` is against how the image
    itself asks to be shown. `rotation` is in degrees, clockwise; `flipped` exchanges left and right afterwards.
    """

    window: Window | None = None
    inverted: bool = False
    rotation: int = 0
    flipped: bool = False
    #: Whether the overlay planes of the image (60xx) are shown.
    overlays: bool = True
    area: Area | None = None


@dataclass(frozen=True, slots=True)
class ImageForm:
    """What has to be known of an image to say whether a view fits it."""

    rows: int
    columns: int
    is_grey: bool


def problems_of(view: View, image: ImageForm) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the view of an image: the field within the view, and what to do."""
    if not image.rows or not image.columns:
        yield "", "The instance is no image with rows and columns; leave the presentation out."
        return
    if view.window is not None:
        if not image.is_grey:
            yield "window", "A color image has no window."
        if not math.isfinite(view.window.center) or abs(view.window.center) > _LARGEST:
            yield "window.center", f"The center is a number of at most {_LARGEST:.0f}."
        if not 1 <= view.window.width <= _LARGEST:
            yield "window.width", f"The width is a number from 1 to {_LARGEST:.0f} (PS3.3 C.11.2.1.2)."
    if view.inverted and not image.is_grey:
        yield "inverted", "A presentation state of a color image cannot invert it."
    if view.rotation not in (0, 90, 180, 270):
        yield "rotation", "The rotation is 0, 90, 180 or 270 degrees."
    area = view.area
    if area is not None and not (1 <= area.left <= area.right and 1 <= area.upper <= area.lower):
        yield "area", "The area begins at column and row 1 at least, and ends where it begins or later."
    elif area is not None and (area.right > image.columns or area.lower > image.rows):
        yield "area", f"The image has {image.columns} columns and {image.rows} rows; the area lies within."
