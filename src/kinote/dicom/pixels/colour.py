"""Converts the samples of a colour frame to 8 bit red, green and blue (PS3.3 C.7.6.3.1.2)."""

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.pixels.lookup_tables import LookupTable, palettes
from kinote.dicom.pixels.pixel_format import PictureError, PixelFormat
from kinote.dicom.pixels.samples import Samples, Words, bands

_PIXEL_PRESENTATION = 0x00089205
_RED_DESCRIPTOR = 0x00281101

#: Luminance, then the weights of the blue and red differences in red, green and blue (PS3.3 C.7.6.3.1.2, ITU-R BT.601).
_FROM_YBR_FULL = np.array([[1.0, 1.0, 1.0], [0.0, -0.344136, 1.772], [1.402, -0.714136, 0.0]], np.float32)
_TO_YBR_FULL = np.linalg.inv(_FROM_YBR_FULL.astype(np.float64)).astype(np.float32)
_FROM_YBR_PARTIAL = _FROM_YBR_FULL * np.array([[255 / 219], [255 / 224], [255 / 224]], np.float32)


def is_colour(form: PixelFormat) -> bool:
    """Return whether frames of a format are shown in colour."""
    return form.samples > 1 or form.photometric == "PALETTE COLOR"


def to_rgb(
    samples: Samples, form: PixelFormat, header: DataSet, *, little_endian: bool = True
) -> NDArray[np.uint8]:
    """Return the colours of a frame, (rows, columns, 3). Raises `PictureError` for an unknown colour space."""
    if samples.photometric == "PALETTE COLOR":
        return _from_palette(samples, form, header, little_endian=little_endian)
    if samples.array.ndim != 3 or samples.array.shape[2] != 3:
        raise PictureError(f"Frames of {form.samples} samples a pixel ({samples.photometric}) are not shown.")
    array = _eight_bits(samples, form)
    if samples.photometric in ("YBR_PARTIAL_422", "YBR_PARTIAL_420"):
        return _from_ybr(array, _FROM_YBR_PARTIAL, 16.0)
    if samples.photometric.startswith("YBR_"):
        return _from_ybr(array, _FROM_YBR_FULL, 0.0)
    if samples.photometric != "RGB":
        raise PictureError(f"The colour space {samples.photometric} is not known here.")
    return array


def to_ybr(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert red, green and blue to YBR_FULL."""
    ybr = np.empty(colours.shape, np.uint8)
    offset = np.array([0.0, 128.0, 128.0], np.float32)
    for row in range(len(colours)):
        ybr[row] = np.clip(colours[row] @ _TO_YBR_FULL + offset + 0.5, 0, 255)
    return ybr


def _eight_bits(samples: Samples, form: PixelFormat) -> NDArray[np.uint8]:
    array = samples.array
    if array.dtype == np.uint8 and form.bits_stored == 8 and samples.depth is None:
        return array
    bits = min(samples.words.bits if samples.words is not None else form.bits_stored, 8 * array.itemsize)
    bits = min(bits, samples.depth or bits)
    colours = np.empty(array.shape, np.uint8)
    for some in bands(array):
        values = array[some] if samples.words is None else samples.words.values(array[some])
        if bits > 8:
            colours[some] = (values >> bits - 8).astype(np.uint8)
        else:
            colours[some] = (values.astype(np.float32) * (255 / ((1 << bits) - 1)) + 0.5).astype(np.uint8)
    return colours


def _from_ybr(array: NDArray[np.uint8], matrix: NDArray[np.float32], black: float) -> NDArray[np.uint8]:
    colours = np.empty(array.shape, np.uint8)
    offset = np.array([black, 128.0, 128.0], np.float32)
    for row in range(len(array)):  # a whole frame in floating point would take twelve times its size
        colours[row] = np.clip((array[row] - offset) @ matrix + 0.5, 0, 255)
    return colours


def with_supplemental_palette(
    greys: NDArray[np.uint8], samples: Samples, form: PixelFormat, header: DataSet, *, little_endian: bool
) -> NDArray[np.uint8]:
    """Return the greys of a frame, with the colours that a supplemental palette gives to some stored values.

    These are the values from the first one of its descriptor on (PS3.3 C.7.6.19). Without such a palette, the greys are
    returned.
    """
    is_shown = (header.text(_PIXEL_PRESENTATION) or "").upper() in ("COLOR", "MIXED")
    if not is_shown or _RED_DESCRIPTOR not in header or samples.words is None or samples.array.ndim != 2:
        return greys
    entries = palettes(header, signed=form.signed, little_endian=little_endian)
    first = entries[0].first
    colours = np.repeat(greys[..., None], 3, axis=2)
    for some in bands(samples.array):
        values = samples.words.values(samples.array[some])
        is_coloured = values >= first
        colours[some][is_coloured] = _mapped(entries, values[is_coloured].astype(np.float64))
    return colours


def _colours_of(
    stored: NDArray[np.float64], form: PixelFormat, header: DataSet, *, little_endian: bool
) -> NDArray[np.uint8]:
    return _mapped(palettes(header, signed=form.signed, little_endian=little_endian), stored)


def _mapped(entries: tuple[LookupTable, ...], values: NDArray[np.float64]) -> NDArray[np.uint8]:
    colours = np.empty((len(values), 3), np.uint8)
    for place, table in enumerate(entries):
        colours[:, place] = table.mapped(values).astype(np.uint16) >> max(table.bits - 8, 0)
    return colours


def _from_palette(
    samples: Samples, form: PixelFormat, header: DataSet, *, little_endian: bool
) -> NDArray[np.uint8]:
    array = samples.array
    if array.ndim != 2 or array.dtype.kind not in "iu" or array.itemsize > 2:
        raise PictureError("PALETTE COLOR needs one sample of up to 16 bits a pixel.")
    unsigned = array.view(np.uint16 if array.itemsize == 2 else np.uint8)
    words = samples.words or Words(8 * array.itemsize, 0, array.dtype.kind == "i")
    stored = words.values(np.arange(1 << 8 * array.itemsize)).astype(np.float64)
    table = _colours_of(stored, form, header, little_endian=little_endian)
    colours = np.empty((*array.shape, 3), np.uint8)
    for some in bands(unsigned):
        # numpy converts each index to 8 bytes.
        colours[some] = table[unsigned[some]]
    return colours
