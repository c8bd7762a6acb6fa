"""Converts the samples of a grey frame to 8 bit greys (PS3.3 C.11, PS3.4 N.2): modality, VOI, presentation.

Frames of up to 16 bits use a table with the grey of every word, made once for all frames with the same settings.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.pixels.display_stages import has_modality_transform, stages
from kinote.dicom.pixels.functional_groups import FrameAttributes
from kinote.dicom.pixels.lookup_tables import LookupTable, lookup_table
from kinote.dicom.pixels.pixel_format import PixelFormat
from kinote.dicom.pixels.samples import Samples, Words, bands
from kinote.dicom.pixels.windows import FUNCTIONS, Window

_PIXEL_PADDING_VALUE = 0x00280120
_PIXEL_PADDING_RANGE_LIMIT = 0x00280121
_WINDOW_CENTER = 0x00281050
_WINDOW_WIDTH = 0x00281051
_RESCALE_INTERCEPT = 0x00281052
_RESCALE_SLOPE = 0x00281053
_VOI_LUT_FUNCTION = 0x00281056
_MODALITY_LUT_SEQUENCE = 0x00283000
_VOI_LUT_SEQUENCE = 0x00283010
_FRAME_VOI_LUT_SEQUENCE = 0x00289132
_PIXEL_VALUE_TRANSFORMATION_SEQUENCE = 0x00289145
_SEGMENTATION_TYPE = 0x00620001
_MAXIMUM_FRACTIONAL_VALUE = 0x0062000E

#: For a frame without a window, this share of its values is left out at either end, because of single hot pixels.
_OUTLIERS = 0.0005


@dataclass(frozen=True, slots=True)
class GreyTransform:
    """How values become greys. Without `window` and `voi_lut`, the range `span` is spread over all greys. Without
    `span`, it is the range of the frame's own values.
    """

    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: LookupTable | None = None
    voi_lut: LookupTable | None = None
    window: Window | None = None
    span: tuple[float, float] | None = None
    inverted: bool = False
    #: Stored values in this range (first to second) are not part of the picture and are shown black.
    padding: tuple[int, int] | None = None
    #: From a presentation state: the last stage, from brightness to P-Values (PS3.3 C.11.6).
    presentation_lut: LookupTable | None = None

    def spread(self, span: tuple[float, float]) -> Self:
        """Return the same transform, with a range of values spread over all greys."""
        return replace(self, span=span)

    def modality(self, stored: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert stored values to output units: Hounsfield units, optical density … (PS3.3 C.11.1)."""
        if self.modality_lut is not None:
            return self.modality_lut.mapped(stored)
        return stored * self.slope + self.intercept

    def greys(self, stored: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return the greys of stored values, 0 black to 255 white. Needs `window`, `voi_lut` or `span`."""
        shown = self._brightness(self.modality(stored))
        if self.presentation_lut is not None:
            shown = self.presentation_lut.scaled(shown)
        if self.inverted:
            shown = 1.0 - shown
        greys = (np.nan_to_num(shown) * 255.0 + 0.5).astype(np.uint8)
        if self.padding is not None:
            greys[(stored >= self.padding[0]) & (stored <= self.padding[1])] = 0
        return greys

    def _brightness(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.window is not None:
            return self.window.shown(values)
        if self.voi_lut is not None:
            return self.voi_lut.mapped(values) / ((1 << self.voi_lut.bits) - 1)
        low, high = self.span or (0.0, 1.0)
        if high <= low:
            return np.zeros_like(values)
        return np.clip((values - low) / (high - low), 0.0, 1.0)


def grey_transform(
    frame: FrameAttributes, form: PixelFormat, *, window: Window | None = None, little_endian: bool = True
) -> GreyTransform:
    """Return the transform that a frame's attributes define. `window` replaces its windows and VOI LUT."""
    transform = GreyTransform(
        inverted=form.photometric == "MONOCHROME1", padding=padding_of(frame, form), window=window
    )
    if has_modality_transform(frame):
        transform = modality_of(transform, frame, form, little_endian=little_endian)
    if window is not None:
        return transform
    if not stages(frame.header).voi:
        return replace(transform, span=_full_span(frame, form, transform))
    # The output of a Modality LUT is never negative (PS3.3 C.11.1.1.1, C.11.2.1.1).
    negative = transform.modality_lut is None and (form.signed or transform.intercept < 0)
    return _with_voi(transform, frame, form, signed=negative, little_endian=little_endian)


def modality_of(
    transform: GreyTransform, frame: FrameAttributes, form: PixelFormat, *, little_endian: bool
) -> GreyTransform:
    """Return a transform with the modality stage of a header."""
    place = frame.macro(_PIXEL_VALUE_TRANSFORMATION_SEQUENCE)
    slope = place.number(_RESCALE_SLOPE)
    transform = replace(
        transform,
        slope=slope if slope and np.isfinite(slope) else 1.0,
        intercept=place.number(_RESCALE_INTERCEPT) or 0.0,
    )
    luts = frame.header.items(_MODALITY_LUT_SEQUENCE)
    if luts:
        lut = lookup_table(luts[0], signed=form.signed, little_endian=little_endian)
        transform = replace(transform, modality_lut=lut)
    return transform


def _with_voi(
    transform: GreyTransform, frame: FrameAttributes, form: PixelFormat, *, signed: bool, little_endian: bool
) -> GreyTransform:
    voi = frame.macro(_FRAME_VOI_LUT_SEQUENCE)
    found = voi_of(transform, voi, signed=signed, little_endian=little_endian)
    return replace(transform, span=_full_span(frame, form, transform)) if found is None else found


def voi_of(
    transform: GreyTransform, voi: DataSet, *, signed: bool, little_endian: bool
) -> GreyTransform | None:
    """Return a transform with the VOI LUT or the first window of an item; None if it has neither."""
    luts = voi.items(_VOI_LUT_SEQUENCE)
    lut = lookup_table(luts[0], signed=signed, little_endian=little_endian) if luts else None
    if lut is not None:
        return replace(transform, voi_lut=lut)
    centre, width = voi.number(_WINDOW_CENTER), voi.number(_WINDOW_WIDTH)
    if centre is not None and width is not None:
        function = (voi.text(_VOI_LUT_FUNCTION) or "LINEAR").upper()
        function = function if function in FUNCTIONS else "LINEAR"
        if 0 < width < 1:
            function = "LINEAR_EXACT" if function == "LINEAR" else function
        if width > 0 and np.isfinite((centre, width)).all():
            return replace(transform, window=Window(centre, width, function))
    return None


def _full_span(
    frame: FrameAttributes, form: PixelFormat, transform: GreyTransform
) -> tuple[float, float] | None:
    """Return the full range of frames of up to 8 bits, which are meant to be shown unchanged."""
    plain = transform.modality_lut is None and (transform.slope, transform.intercept) == (1.0, 0.0)
    kind = frame.header.text(_SEGMENTATION_TYPE)
    if kind == "FRACTIONAL":
        return 0.0, float(frame.header.integer(_MAXIMUM_FRACTIONAL_VALUE) or 255)
    if not plain or form.floating or form.bits_stored > 8 or kind == "LABELMAP":
        return None
    low = -(1 << form.bits_stored - 1) if form.signed else 0
    return float(low), float(low + (1 << form.bits_stored) - 1)


def padding_of(frame: FrameAttributes, form: PixelFormat) -> tuple[int, int] | None:
    """Return Pixel Padding Value and its range limit (PS3.3 C.7.5.1.1.2), as stored values."""
    value = frame.header.integer(_PIXEL_PADDING_VALUE)
    if value is None or form.floating:
        return None
    limit = frame.header.integer(_PIXEL_PADDING_RANGE_LIMIT)
    limit = value if limit is None else limit
    if max(abs(value), abs(limit)) >= 1 << form.bits_allocated:
        # A word cannot hold it.
        return None
    words = Words(form.bits_stored, 0, form.signed)
    ends = words.values(np.array([value, limit], np.int64))
    return int(ends.min()), int(ends.max())


def to_grey(samples: Samples, transform: GreyTransform) -> NDArray[np.uint8]:
    """Return the greys of a frame, (rows, columns)."""
    array = samples.array
    if array.dtype.kind not in "iu" or array.itemsize > 2:
        return _greys_of_wide(samples, transform)
    unsigned: NDArray[Any] = array.view(np.uint16 if array.itemsize == 2 else np.uint8)
    words = samples.words or Words(8 * array.itemsize, 0, array.dtype.kind == "i")
    if transform.window is None and transform.voi_lut is None and transform.span is None:
        counts = np.zeros(1 << 8 * array.itemsize, np.int64)
        for some in bands(unsigned):
            counts += np.bincount(unsigned[some].reshape(-1), minlength=len(counts))
        present = np.flatnonzero(counts)
        stored = words.values(present).astype(np.float64)
        transform = replace(transform, span=_span(stored, transform, counts[present]))
    table = _grey_table(words, transform, 8 * array.itemsize)
    greys = np.empty(array.shape, np.uint8)
    for some in bands(unsigned):
        # numpy converts each index to 8 bytes.
        greys[some] = table.take(unsigned[some])
    return greys


@lru_cache(maxsize=64)
def _grey_table(words: Words, transform: GreyTransform, word_bits: int) -> NDArray[np.uint8]:
    table = transform.greys(words.values(np.arange(1 << word_bits)).astype(np.float64))
    table.setflags(write=False)
    return table


def _greys_of_wide(samples: Samples, transform: GreyTransform) -> NDArray[np.uint8]:
    """Return the greys of frames of 32 bits and of floating point numbers."""
    array = samples.array
    if transform.window is None and transform.voi_lut is None and transform.span is None:
        transform = replace(transform, span=_span_of_wide(samples, transform))
    greys = np.empty(array.shape, np.uint8)
    for some in bands(array):
        greys[some] = transform.greys(_values(array[some], samples.words))
    return greys


def _span_of_wide(samples: Samples, transform: GreyTransform) -> tuple[float, float]:
    """Return what `_span` returns, for all samples of a frame. It needs only one array of the size of its values."""
    array = samples.array
    values, number = np.empty(array.size, np.float64), 0
    for some in bands(array):
        stored = _values(array[some], samples.words).reshape(-1)
        kept = transform.modality(stored[_kept(stored, transform)])
        values[number : number + len(kept)] = kept
        number += len(kept)
    values = values[:number]
    if not number:
        return 0.0, 1.0
    # The value at this rank: so many others do not exceed it.
    low, high = (max(math.ceil(share * number) - 1, 0) for share in (_OUTLIERS, 1 - _OUTLIERS))
    values.partition([low, high])
    if values[high] > values[low]:
        return float(values[low]), float(values[high])
    return float(values.min()), float(values.max())


def _values(array: NDArray[np.generic], words: Words | None) -> NDArray[np.float64]:
    return (array if words is None else words.values(array)).astype(np.float64)


def _span(
    stored: NDArray[np.float64], transform: GreyTransform, counts: NDArray[np.int64] | None = None
) -> tuple[float, float]:
    """Return the values of a frame from darkest to brightest, without padding and outliers."""
    kept = _kept(stored, transform)
    values = transform.modality(stored[kept])
    if not values.size:
        return 0.0, 1.0
    order = np.argsort(values, kind="stable")
    values = values[order]
    reached = np.cumsum(np.ones(len(values)) if counts is None else counts[kept][order])
    low, high = (
        values[np.searchsorted(reached, share * reached[-1])] for share in (_OUTLIERS, 1 - _OUTLIERS)
    )
    if high <= low:
        low, high = values[0], values[-1]
    return float(low), float(high)


def _kept(stored: NDArray[np.float64], transform: GreyTransform) -> NDArray[np.bool_]:
    """Return which of the values are part of the picture."""
    kept: NDArray[np.bool_] = np.isfinite(stored)
    if transform.padding is not None:
        kept &= (stored < transform.padding[0]) | (stored > transform.padding[1])
    return kept
