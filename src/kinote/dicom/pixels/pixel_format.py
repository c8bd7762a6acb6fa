"""The layout of an image's samples (PS3.3 C.7.6.3 Image Pixel Module, PS3.5 section 8)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet

_SAMPLES_PER_PIXEL = 0x00280002
_PHOTOMETRIC_INTERPRETATION = 0x00280004
_PLANAR_CONFIGURATION = 0x00280006
_BITS_STORED = 0x00280101
_HIGH_BIT = 0x00280102

#: Frames with more samples are not decoded: 128 million, twice the largest scanned film.
MAX_SAMPLES = 1 << 27

_FLOAT_BITS = {tags.FLOAT_PIXEL_DATA: 32, tags.DOUBLE_FLOAT_PIXEL_DATA: 64}


class PictureError(ValueError):
    """A frame cannot be found, decoded or shown. The message is a sentence that says why."""


#: Photometric interpretations whose native colour differences are shared by two neighbours (PS3.3 C.7.6.3.1.2).
HALVED = ("YBR_FULL_422", "YBR_PARTIAL_422")


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """The Image Pixel Module, checked. `bits_allocated` is 1, 8, 16, 32 or 64; 64 only for floating point.

    `is_halved`: whether, by their label, native pixel data have colour differences for pairs of neighbours only.
    `joins_rows`: whether such pairs continue into the next row if the number of columns is odd. `overlay_bits` are the
    bits of a word that hold overlay planes (PS3.5 8.1.2, retired).
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: bool
    floating: bool
    frames: int
    is_halved: bool = False
    joins_rows: bool = False
    overlay_bits: int = 0

    @property
    def native_frame_bits(self) -> int:
        """The number of bits of one native frame."""
        if self.is_halved:
            # Two of four samples are left out. A row with an odd number of columns still ends with a pair.
            pixels = self.rows * (self.columns + self.columns % 2)
            if self.joins_rows:
                pixels = self.rows * self.columns + self.rows * self.columns % 2
            return pixels * 2 * self.bits_allocated
        return self.rows * self.columns * self.samples * self.bits_allocated

    def of_length(self, length: int) -> PixelFormat:
        """Return the format of native frames of this many bytes each.

        Some writers decompress colours without correcting the label. The length then shows that no samples are left
        out.
        """
        if self.is_halved and 8 * length >= self.rows * self.columns * 3 * self.bits_allocated:
            return replace(self, is_halved=False)
        if self.is_halved and 8 * length < self.native_frame_bits:
            joined = replace(self, joins_rows=True)
            return joined if 8 * length >= joined.native_frame_bits else self
        return self


def pixel_format(header: DataSet, pixel_tag: int = tags.PIXEL_DATA) -> PixelFormat:
    """Return the pixel format of a data set with pixels in `pixel_tag`. Raises `PictureError` if it has none."""
    rows, columns = _whole(header, tags.ROWS, "Rows"), _whole(header, tags.COLUMNS, "Columns")
    samples = header.integer(_SAMPLES_PER_PIXEL) or 1
    if samples not in (1, 3, 4):
        raise PictureError(f"Samples per Pixel (0028,0002) is {samples}; 1, 3 or 4 can be shown.")
    if rows * columns * samples > MAX_SAMPLES:
        raise PictureError(
            f"Rows and Columns say {columns} x {rows} pixels; more than {MAX_SAMPLES} samples are not decoded."
        )
    floating = pixel_tag in _FLOAT_BITS
    allocated = _FLOAT_BITS.get(pixel_tag) or _whole(header, tags.BITS_ALLOCATED, "Bits Allocated")
    if allocated not in (1, 8, 16, 32) and not floating:
        raise PictureError(f"Bits Allocated (0028,0100) is {allocated}; 1, 8, 16 or 32 can be shown.")
    stored = header.integer(_BITS_STORED) or allocated
    stored = stored if 0 < stored <= allocated else allocated
    high_bit = header.integer(_HIGH_BIT)
    if high_bit is None or not stored - 1 <= high_bit < allocated:
        high_bit = stored - 1
    photometric = _photometric(header, samples)
    return PixelFormat(
        rows=rows,
        columns=columns,
        samples=samples,
        photometric=photometric,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high_bit,
        signed=header.integer(tags.PIXEL_REPRESENTATION) == 1,
        planar=samples > 1 and header.integer(_PLANAR_CONFIGURATION) == 1,
        floating=floating,
        frames=max(header.integer(tags.NUMBER_OF_FRAMES) or 1, 1),
        is_halved=photometric in HALVED and samples == 3,
        overlay_bits=_overlay_bits(header, allocated),
    )


def _overlay_bits(header: DataSet, allocated: int) -> int:
    bits = 0
    for group in range(0x6000, 0x6020, 2):
        if header.vr(group << 16 | 0x3000) is None:
            position = header.integer(group << 16 | 0x0102)
            if position is not None and 0 < position < allocated:
                bits |= 1 << position
    return bits


def _whole(header: DataSet, tag: int, name: str) -> int:
    value = header.integer(tag)
    if value is None or value <= 0:
        raise PictureError(f"{name} ({tag >> 16:04X},{tag & 0xFFFF:04X}) is missing or not greater than 0.")
    return value


def _photometric(header: DataSet, samples: int) -> str:
    given = (header.texts(_PHOTOMETRIC_INTERPRETATION) or ("",))[0].upper()
    return given or ("MONOCHROME2" if samples == 1 else "RGB")
