"""From the bytes of one frame to its samples.

Plain samples, lossless JPEG and JPEG of 12 bits are decoded here; JPEG of 8 bits, JPEG-LS, JPEG 2000, HTJ2K
and RLE by the codecs that pydicom finds installed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from kinote.dicom.dictionary.transfer_syntaxes import ENCAPSULATED_UNCOMPRESSED, TransferSyntax, lookup
from kinote.dicom.pixels import codestreams
from kinote.dicom.pixels.jpeg import extended, lossless
from kinote.dicom.pixels.jpeg.stream import JpegError
from kinote.dicom.pixels.pixel_format import PictureError, PixelFormat

JPEG_LOSSLESS = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
RLE = "1.2.840.10008.1.2.5"

_DTYPES = {8: np.uint8, 16: np.uint16, 32: np.uint32}


@dataclass(frozen=True, slots=True)
class Words:
    """Where the value is in a word: `bits` of it, the lowest being bit `shift` (PS3.5 8.1.1)."""

    bits: int
    shift: int
    signed: bool

    def values(self, words: NDArray[Any]) -> NDArray[np.int64]:
        """The values of unsigned words."""
        values = (words.astype(np.int64) >> self.shift) & ((1 << self.bits) - 1)
        if self.signed:
            values -= (values >> (self.bits - 1)) << self.bits
        return values


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one frame: (rows, columns), or (rows, columns, samples per pixel).

    With `words`, the numbers of `array` are unsigned words of which some bits are the value; without, they
    are the values.
    """

    array: NDArray[Any]
    photometric: str
    words: Words | None = None


def can_decode(transfer_syntax: TransferSyntax) -> bool:
    """Whether there is a decoder for frames of this transfer syntax."""
    own = (*JPEG_LOSSLESS, JPEG_EXTENDED, ENCAPSULATED_UNCOMPRESSED)
    if not transfer_syntax.encapsulated or transfer_syntax.uid in own:
        return True
    try:
        return bool(get_decoder(UID(transfer_syntax.uid)).is_available)
    except NotImplementedError:
        # How pydicom says that it knows no decoder for a syntax.
        return False


def decode(data: bytes, form: PixelFormat, transfer_syntax: TransferSyntax) -> Samples:
    """The samples of one frame as `Frames.read` gives it; raises `PictureError`."""
    if not transfer_syntax.encapsulated or transfer_syntax.uid == ENCAPSULATED_UNCOMPRESSED:
        words = Words(form.bits_stored, form.high_bit + 1 - form.bits_stored, form.signed)
        return Samples(_native(data, form), form.photometric, None if form.floating else words)
    if transfer_syntax.uid != RLE:
        precision = _checked_precision(data, form, transfer_syntax)
        if transfer_syntax.uid in JPEG_LOSSLESS:
            return _by_own_decoder(lossless.decode, data, form)
        if transfer_syntax.uid == JPEG_EXTENDED and precision > 8:
            return _by_own_decoder(extended.decode, data, form)
        if transfer_syntax.uid == JPEG_EXTENDED:
            transfer_syntax, form = lookup(JPEG_BASELINE), replace(form, bits_allocated=8, bits_stored=8)
    return _by_codec(data, form, transfer_syntax)


def _native(data: bytes, form: PixelFormat) -> NDArray[Any]:
    pixels = form.rows * form.columns
    if len(data) * 8 < form.native_frame_bits:
        raise PictureError(f"The frame is cut short: {len(data)} bytes of {form.native_frame_bits // 8}.")
    if form.bits_allocated == 1:
        flags = np.unpackbits(np.frombuffer(data, np.uint8), count=pixels * form.samples, bitorder="little")
        return flags.reshape(_shape(form))
    if form.floating:
        samples = np.frombuffer(data, f"<f{form.bits_allocated // 8}", count=pixels * form.samples)
        return samples.reshape(_shape(form))
    dtype = np.dtype(_DTYPES[form.bits_allocated]).newbyteorder("<")
    if form.samples == 3 and form.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422"):
        return _upsampled(np.frombuffer(data, dtype, count=pixels * 2), form)
    samples = np.frombuffer(data, dtype, count=pixels * form.samples)
    if form.planar:
        return samples.reshape(form.samples, form.rows, form.columns).transpose(1, 2, 0)
    return samples.reshape(_shape(form))


def _shape(form: PixelFormat) -> tuple[int, ...]:
    return (form.rows, form.columns) if form.samples == 1 else (form.rows, form.columns, form.samples)


def _upsampled(samples: NDArray[Any], form: PixelFormat) -> NDArray[Any]:
    """Y Y Cb Cr of two neighbours made Y Cb Cr of each (PS3.3 C.7.6.3.1.2)."""
    if form.columns % 2:
        raise PictureError("The frame has half the colour samples, but an odd number of columns.")
    pairs = samples.reshape(-1, 4)
    pixels = np.empty((len(pairs), 2, 3), samples.dtype)
    pixels[:, :, 0] = pairs[:, :2]
    pixels[:, :, 1:] = pairs[:, None, 2:]
    return pixels.reshape(form.rows, form.columns, 3)


def _checked_precision(data: bytes, form: PixelFormat, transfer_syntax: TransferSyntax) -> int:
    """Bits of a sample as the codestream says, once it is known to be of the size the object says."""
    said = codestreams.described(data)
    if said is None:
        raise PictureError(f"The frame is no {transfer_syntax.name} codestream, or its header is damaged.")
    if (said.rows, said.columns, said.components) != (form.rows, form.columns, form.samples):
        raise PictureError(
            f"The compressed frame is {said.columns} x {said.rows} with {said.components} components, "
            f"but the object says {form.columns} x {form.rows} with {form.samples}."
        )
    return said.precision


def _by_own_decoder(decoder: Callable[[bytes], NDArray[Any]], data: bytes, form: PixelFormat) -> Samples:
    try:
        array = decoder(data)
    except JpegError as error:
        raise PictureError(f"The frame cannot be decoded: {error}.") from error
    return Samples(array, form.photometric, Words(min(form.bits_stored, 8 * array.itemsize), 0, form.signed))


def _by_codec(data: bytes, form: PixelFormat, transfer_syntax: TransferSyntax) -> Samples:
    try:
        decoder = get_decoder(UID(transfer_syntax.uid))
    except NotImplementedError as error:
        # How pydicom says so, see `can_decode`.
        raise PictureError(f"There is no decoder for {transfer_syntax.name}.") from error
    if not decoder.is_available:
        missing = "; ".join(decoder.missing_dependencies)
        raise PictureError(f"No decoder for {transfer_syntax.name} is installed: {missing}.")
    options: dict[str, Any] = {
        "rows": form.rows,
        "columns": form.columns,
        "number_of_frames": 1,
        "samples_per_pixel": form.samples,
        "photometric_interpretation": form.photometric,
        "bits_allocated": form.bits_allocated,
        "bits_stored": form.bits_stored,
        "pixel_representation": int(form.signed),
        "pixel_keyword": "PixelData",
    }
    if form.samples > 1:
        options["planar_configuration"] = int(form.planar)
    try:
        array, meta = decoder.as_array(encapsulate([data], has_bot=False), index=0, **options)
    except Exception as error:  # codecs raise what they like for damaged input
        raise PictureError(f"The frame cannot be decoded as {transfer_syntax.name}: {error}.") from error
    return Samples(array, str(meta["photometric_interpretation"]))
