"""Decoding of one frame to samples, in any transfer syntax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from kinote.decoding.errors import FrameError
from kinote.decoding.messages import Codec, ColourTransform, FrameRequest
from kinote.decoding.shared import pool
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import ENCAPSULATED_UNCOMPRESSED, TransferSyntax
from kinote.dicom.pixels import codestreams
from kinote.dicom.pixels.codestreams import Codestream
from kinote.dicom.pixels.frames import Frames
from kinote.dicom.pixels.pixel_format import PictureError, PixelFormat
from kinote.dicom.pixels.samples import Samples, Words, native_samples, shape

_JPEG = "1.2.840.10008.1.2.4."

_CODECS: Mapping[str, Codec] = {
    "1.2.840.10008.1.2.5": Codec.RLE,
    **{_JPEG + last: Codec.JPEG for last in ("50", "51", "53", "55", "57", "70")},
    **{_JPEG + last: Codec.JPEG_LS for last in ("80", "81")},
    **{_JPEG + last: Codec.JPEG_2000 for last in ("90", "91", "92", "93", "201", "202", "203")},
    **{_JPEG + last: Codec.JPEG_XL for last in ("110", "111", "112")},
}

#: Photometric interpretations that the JPEG 2000 decoder converts to RGB (PS3.3 C.7.6.3.1.2).
_OF_JPEG_2000 = ("YBR_RCT", "YBR_ICT")


def can_decode(transfer_syntax: TransferSyntax) -> bool:
    """Return whether frames of this transfer syntax can be decoded."""
    return _is_native(transfer_syntax) or transfer_syntax.uid in _CODECS


def decode_frame(frames: Frames, number: int, *, is_cancelled: Callable[[], bool] | None = None) -> Samples:
    """Return the samples of frame `number`, counted from 1.

    `is_cancelled` is called a few times a second and returns true if the samples are no longer needed.

    Raises `PictureError` if the frame cannot be read or decoded. Of its subclasses, `DecodingUnavailableError` means
    that trying again may help, and `DecodingCancelledError` that `is_cancelled` returned true.
    """
    form, syntax = frames.format, frames.transfer_syntax
    data = frames.read(number)
    if _is_native(syntax):
        return native_samples(data, form)
    codec = _CODECS.get(syntax.uid)
    if codec is None:
        raise PictureError(f"There is no decoder for {syntax.name}.")
    if form.floating or form.bits_allocated == 1:
        raise PictureError(f"Frame {number}: pixels of this kind cannot be compressed as {syntax.name}.")
    said = None if codec is Codec.RLE else _checked(data, form, syntax, number)
    photometric, request = _request(codec, form, said)
    try:
        words = pool().decode(
            data[said.begins :] if said is not None else data,
            request,
            frames.header.text(tags.STUDY_INSTANCE_UID) or "",
            is_cancelled,
        )
    except FrameError as error:
        raise PictureError(f"Frame {number} cannot be decoded as {syntax.name}: {error}.") from error
    if said is not None and said.precision < 8 * request.word_bytes and said.signed != form.signed:
        words = _extended(words, said.precision, form)
    array = words.reshape(shape(form))
    # A codestream does not record the High Bit (0028,0102): decoded values are in the lowest bits of a word.
    bits = min(form.bits_stored, 8 * request.word_bytes)
    return Samples(array, photometric, Words(bits, 0, form.signed))


def _extended(words: NDArray[Any], bits: int, form: PixelFormat) -> NDArray[Any]:
    """Extend words of `bits` bits to their full size, with or without sign as the object says.

    Needed for JPEG 2000, the only encoding that records whether samples are signed: some encoders do not set it, or
    set it wrongly.
    """
    size = words.dtype.itemsize
    unused = 8 * size - bits
    shifted = (words << unused).view(f"{'i' if form.signed else 'u'}{size}")
    extended: NDArray[Any] = (shifted >> unused).view(f"u{size}")
    return extended


def _is_native(syntax: TransferSyntax) -> bool:
    return not syntax.encapsulated or syntax.uid == ENCAPSULATED_UNCOMPRESSED


def _checked(data: bytes, form: PixelFormat, syntax: TransferSyntax, number: int) -> Codestream:
    """Read the header of a codestream. Raises `PictureError` if it is invalid or differs from the object."""
    said = codestreams.described(data)
    if said is None:
        raise PictureError(f"Frame {number} is not a {syntax.name} codestream, or its header is damaged.")
    if (said.rows, said.columns, said.components) != (form.rows, form.columns, form.samples):
        raise PictureError(
            f"The compressed frame is {said.columns} x {said.rows} with {said.components} components, "
            f"but the object says {form.columns} x {form.rows} with {form.samples}."
        )
    if not 1 <= said.precision <= 32:
        raise PictureError(f"Frame {number} has components of {said.precision} bits; 1 to 32 can be decoded.")
    return said


def _request(codec: Codec, form: PixelFormat, said: Codestream | None) -> tuple[str, FrameRequest]:
    """Return the photometric interpretation of the decoded samples, and the request to the codec."""
    photometric, colour = form.photometric, ColourTransform.NONE
    if said is None:
        word_bytes = max(form.bits_allocated // 8, 1)
    else:
        word_bytes = 1 if said.precision <= 8 else 2 if said.precision <= 16 else 4
        if codec is Codec.JPEG and form.samples == 3 and not said.is_lossless:
            photometric, colour = "RGB", _colour(form, said)
        if codec is Codec.JPEG_XL and form.samples == 3:
            photometric = "RGB"
        if photometric in _OF_JPEG_2000:
            photometric = "RGB"
    return photometric, FrameRequest(
        codec=codec,
        word_bytes=word_bytes,
        is_signed=said is not None and said.signed,
        is_lossless=said is not None and said.is_lossless,
        colour=colour,
        components=form.samples,
        rows=form.rows,
        columns=form.columns,
    )


def _colour(form: PixelFormat, said: Codestream) -> ColourTransform:
    """Return how to convert colours: as the Adobe marker specifies, or if there is none, as the object does."""
    if said.adobe_transform is not None:
        return ColourTransform.BY_MARKER
    return ColourTransform.YCBCR_TO_RGB if form.photometric.startswith("YBR") else ColourTransform.NONE
