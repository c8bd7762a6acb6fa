"""How the samples of an image are laid out (PS3.3 C.7.6.3 Image Pixel Module, PS3.5 section 8)."""

from dataclasses import dataclass

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet

_SAMPLES_PER_PIXEL = 0x00280002
_PHOTOMETRIC_INTERPRETATION = 0x00280004
_PLANAR_CONFIGURATION = 0x00280006
_BITS_STORED = 0x00280101
_HIGH_BIT = 0x00280102

#: Samples of one frame beyond this are not decoded: 128 million, twice the largest scanned film.
MAX_SAMPLES = 1 << 27

_FLOAT_BITS = {tags.FLOAT_PIXEL_DATA: 32, tags.DOUBLE_FLOAT_PIXEL_DATA: 64}


class PictureError(ValueError):
    """A frame that cannot be found, decoded or shown; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """The Image Pixel Module, checked. `bits_allocated` is 1, 8, 16, 32 or 64; 64 only for floating point."""

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

    @property
    def native_frame_bits(self) -> int:
        """Bits of one frame that is not compressed."""
        pixels = self.rows * self.columns
        if self.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422") and self.samples == 3:
            return pixels * 2 * self.bits_allocated  # PS3.3 C.7.6.3.1.2: two samples of four are left out
        return pixels * self.samples * self.bits_allocated


def pixel_format(header: DataSet, pixel_tag: int = tags.PIXEL_DATA) -> PixelFormat:
    """The pixel format of a data set whose pixels are in `pixel_tag`; raises `PictureError` where it has none."""
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
    return PixelFormat(
        rows=rows,
        columns=columns,
        samples=samples,
        photometric=_photometric(header, samples),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high_bit,
        signed=header.integer(tags.PIXEL_REPRESENTATION) == 1,
        planar=samples > 1 and header.integer(_PLANAR_CONFIGURATION) == 1,
        floating=floating,
        frames=max(header.integer(tags.NUMBER_OF_FRAMES) or 1, 1),
    )


def _whole(header: DataSet, tag: int, name: str) -> int:
    value = header.integer(tag)
    if value is None or value <= 0:
        raise PictureError(f"{name} ({tag >> 16:04X},{tag & 0xFFFF:04X}) is missing or not greater than 0.")
    return value


def _photometric(header: DataSet, samples: int) -> str:
    given = (header.texts(_PHOTOMETRIC_INTERPRETATION) or ("",))[0].upper()
    return given or ("MONOCHROME2" if samples == 1 else "RGB")
