"""Renders one frame to JPEG, PNG or GIF, as its attributes say it is shown."""

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kinote.dicom.elements.errors import DicomError
from kinote.dicom.pixels.colour import is_colour, to_rgb, with_supplemental_palette
from kinote.dicom.pixels.display_stages import stages
from kinote.dicom.pixels.frames import Frames
from kinote.dicom.pixels.functional_groups import FrameAttributes
from kinote.dicom.pixels.grey_scale import grey_transform, to_grey
from kinote.dicom.pixels.overlay_planes import draw_overlays
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.presenting.annotations import Placing, annotate, burn_in
from kinote.dicom.pixels.presenting.presentation_states import Presentation
from kinote.dicom.pixels.samples import Samples
from kinote.dicom.pixels.shutters import close_shutter
from kinote.dicom.pixels.windows import Window

PictureFormat = Literal["jpeg", "png", "gif"]

_PIXEL_MEASURES_SEQUENCE = 0x00289110
_PIXEL_SPACING = 0x00280030
_PIXEL_ASPECT_RATIO = 0x00280034
_IMAGER_PIXEL_SPACING = 0x00181164
_NOMINAL_SCANNED_PIXEL_SPACING = 0x00182010

#: The longest side of a picture, in pixels: the limit of JPEG.
_LONGEST = 65500
_MOST_PIXELS = 1 << 27

#: The most samples of a frame that is shown.
_MOST_SAMPLES = 1 << 25


def render_frame(
    frames: Frames,
    frame: int,
    samples: Samples,
    *,
    window: Window | None = None,
    overlays: bool = True,
    viewport: tuple[int, int] | None = None,
    format: PictureFormat = "jpeg",  # noqa: A002 - the word of the field
    quality: int = 90,
    state: Presentation | None = None,
    words: Sequence[Sequence[str]] = (),
) -> bytes:
    """Render one frame, counted from 1, from its `samples`.

    `window` replaces that of the object; colour frames ignore it. `overlays`: whether overlay planes are drawn.
    `viewport` is the width and height in pixels into which the picture is fitted. Pixels that are not square are made
    so. `state` is the presentation state to apply. `words` are lines written into the upper left, upper right and lower
    left corner. Raises `PictureError`.
    """
    picture = Image.fromarray(pixels(frames, frame, samples, window=window, overlays=overlays, state=state))
    area = (0, 0, *picture.size) if state is None else state.area(*picture.size)
    aspect = _aspect(frames, frame)
    if state is not None:
        aspect = state.aspect or aspect
        picture, aspect = _turned(picture, area, state, aspect)
    size = _size(picture.size, aspect, viewport)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    if state is not None:
        picture = annotate(picture, state, Placing(area, state.quarter_turns, state.is_flipped, size))
    picture = burn_in(picture, words)
    encoded = io.BytesIO()
    if format == "jpeg":
        picture.save(encoded, "JPEG", quality=quality)
    elif format == "png":
        picture.save(encoded, "PNG", compress_level=4)
    else:
        picture.save(encoded, "GIF")
    return encoded.getvalue()


def _turned(
    picture: Image.Image, area: tuple[int, int, int, int], state: Presentation, aspect: float
) -> tuple[Image.Image, float]:
    """Cut out the displayed area of a picture (black beyond the image), turn and flip it. Return it with its new
    aspect.
    """
    _size((area[2] - area[0], area[3] - area[1]), 1.0, None)
    if area != (0, 0, *picture.size):
        picture = picture.crop(area)
    turn = (None, Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)[
        state.quarter_turns
    ]
    if turn is not None:
        picture = picture.transpose(turn)
    if state.is_flipped:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture, 1 / aspect if state.quarter_turns % 2 else aspect


def check_size(frames: Frames) -> None:
    """Raise `PictureError` if frames are too large to be shown. Called before they are decoded."""
    form = frames.format
    if form.rows * form.columns * form.samples > _MOST_SAMPLES:
        raise PictureError(
            f"Frames of {form.columns} x {form.rows} pixels are too large to be shown here: more than "
            f"{_MOST_SAMPLES} samples. The frame itself can be had as it is stored."
        )


def pixels(
    frames: Frames,
    frame: int,
    samples: Samples,
    *,
    window: Window | None = None,
    overlays: bool = True,
    state: Presentation | None = None,
) -> NDArray[np.uint8]:
    """Return the greys, (rows, columns), or colours, (rows, columns, 3), of one frame. Raises `PictureError`.

    All display stages (`display_stages`) are applied, except the aspect ratio of pixels. `state` takes precedence over
    the image.
    """
    check_size(frames)
    form, header = frames.format, frames.header
    little_endian = frames.transfer_syntax.little_endian
    attributes = FrameAttributes(header, frame)
    try:
        if is_colour(form):
            shown = to_rgb(samples, form, header, little_endian=little_endian)
        else:
            if state is None:
                transform = grey_transform(attributes, form, window=window, little_endian=little_endian)
            else:
                transform = state.grey_transform(attributes, form, window)
            greys = to_grey(samples, transform)
            shown = with_supplemental_palette(greys, samples, form, header, little_endian=little_endian)
        if not shown.flags.writeable:
            shown = shown.copy()
        close_shutter(shown, attributes if state is None else state.shutter)
        if overlays and stages(header).overlays:
            shows = None if state is None else state.shown_overlays
            draw_overlays(shown, frames, frame, samples, shows)
            if state is not None:
                draw_overlays(shown, state.planes, frame, samples, state.own_overlays)
        return shown
    except DicomError as error:
        raise PictureError(f"The object cannot be read: {error}.") from error
    except PictureError:
        raise
    except (ArithmeticError, ValueError) as error:
        raise PictureError(f"The object says what no image can have: {error}.") from error


def _aspect(frames: Frames, frame: int) -> float:
    """Return a pixel's height divided by its width (PS3.3 C.7.6.3.1.7, 10.7.1.3); 1 if no plausible value is given."""
    header = frames.header
    measures = FrameAttributes(header, frame).macro(_PIXEL_MEASURES_SEQUENCE)
    for place, tag in (
        (measures, _PIXEL_SPACING),
        (header, _IMAGER_PIXEL_SPACING),
        (header, _NOMINAL_SCANNED_PIXEL_SPACING),
        (header, _PIXEL_ASPECT_RATIO),
    ):
        vertical, horizontal = (*place.numbers(tag), None, None)[:2]
        if vertical is None or horizontal is None:
            continue
        if vertical > 0 and horizontal > 0 and 0.1 <= vertical / horizontal <= 10:
            return vertical / horizontal
    return 1.0


def picture_pixels(frames: Frames, viewport: tuple[int, int] | None) -> int:
    """Return how many pixels a picture of a frame has at most. Raises `PictureError` for more than are made."""
    if viewport is not None:
        return min(viewport[0] * viewport[1], _MOST_PIXELS)
    width, height = _size((frames.format.columns, frames.format.rows), _aspect(frames, 1), None)
    return width * height


def _size(size: tuple[int, int], aspect: float, viewport: tuple[int, int] | None) -> tuple[int, int]:
    """Return the size of the picture: square pixels, no pixel lost by that, fitted into the viewport if there is
    one.
    """
    width, height = float(size[0]), float(size[1])
    if abs(aspect - 1) > 0.005:
        width, height = (width, height * aspect) if aspect > 1 else (width / aspect, height)
    if viewport is not None:
        if min(viewport) < 1:
            raise PictureError(f"The viewport is {viewport[0]} x {viewport[1]}; it must be at least 1 x 1.")
        scale = min(viewport[0] / width, viewport[1] / height)
        width, height = width * scale, height * scale
    fitted = max(round(width), 1), max(round(height), 1)
    if max(fitted) > _LONGEST or fitted[0] * fitted[1] > _MOST_PIXELS:
        raise PictureError(f"A picture of {fitted[0]} x {fitted[1]} pixels is larger than is made here.")
    return fitted
