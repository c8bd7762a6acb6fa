"""Decoding of one frame to samples, in any transfer syntax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from kinote.decoding.errors import FrameError
from kinote.decoding.messages import Codec, ColourTransform, FrameRequest
from kinote.decoding.shared import pool
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_IMAGE_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    TransferSyntax,
)
from kinote.dicom.pixels import codestreams
from kinote.dicom.pixels.codestreams import Codestream
from kinote.dicom.pixels.frames import Frames
from kinote.dicom.pixels.inflated_frames import inflated_frame
from kinote.dicom.pixels.pixel_format import HALVED, PictureError, PixelFormat
from kinote.dicom.pixels.samples import FULL_LENGTH, Samples, native_samples
from kinote.dicom.pixels.stored_words import words_from

_JPEG = "1.2.840.10008.1.2.4."

_CODECS: Mapping[str, Codec] = {
    "1.2.840.10008.1.2.5": Codec.RLE,
    **{_JPEG + last: Codec.JPEG for last in ("50", "51", "53", "55", "57", "70")},
    **{_JPEG + last: Codec.JPEG_LS for last in ("80", "81")},
    **{_JPEG + last: Codec.JPEG_2000 for last in ("90", "91", "92", "93", "201", "202", "203")},
    **{_JPEG + last: Codec.JPEG_XL for last in ("110", "111", "112")},
}

#: Of the frames of these, the codestream says which codec it takes: senders confuse their transfer syntaxes.
_BY_KIND: Mapping[codestreams.Kind, Codec] = {
    "JPEG": Codec.JPEG,
    "JPEG-LS": Codec.JPEG_LS,
    "JPEG 2000": Codec.JPEG_2000,
    "JPEG XL": Codec.JPEG_XL,
}

#: The header of a codestream is shorter than this, in bytes, unless it has colour profiles or texts.
_HEADER = 64 * 1024

#: Colour spaces of the label that the component transforms of JPEG 2000 lead back to RGB (PS3.3 C.7.6.3.1.2).
_TRANSFORMED = ("YBR_RCT", "YBR_ICT")


def can_decode(transfer_syntax: TransferSyntax) -> bool:
    """Return whether frames of this transfer syntax can be decoded."""
    return (
        _is_native(transfer_syntax)
        or transfer_syntax.uid == DEFLATED_IMAGE_FRAME
        or transfer_syntax.uid in _CODECS
    )


def decode_frame(
    frames: Frames,
    number: int,
    *,
    as_labelled: bool = False,
    is_cancelled: Callable[[], bool] | None = None,
) -> Samples:
    """Return the samples of frame `number`, counted from 1.

    Colours that lossy JPEG has coded as luminance and differences become RGB; with `as_labelled` only where the label
    is not YBR. `is_cancelled` is called a few times a second and returns true if the samples are no longer needed.

    Raises `PictureError` if the frame cannot be read or decoded. Of its subclasses, `DecodingUnavailableError` means
    that trying again may help, and `DecodingCancelledError` that `is_cancelled` returned true.
    """
    form, syntax = frames.format, frames.transfer_syntax
    data = frames.read(number)
    if _is_native(syntax):
        return native_samples(data, form)
    if syntax.uid == DEFLATED_IMAGE_FRAME:
        return native_samples(inflated_frame(data, form, number), form)
    codec = _CODECS.get(syntax.uid)
    if codec is None:
        raise PictureError(f"There is no decoder for {syntax.name}.")
    if form.floating or (form.bits_allocated == 1 and codec is Codec.RLE):
        raise PictureError(f"Frame {number}: pixels of this kind cannot be compressed as {syntax.name}.")
    said = None if codec is Codec.RLE else _checked(data, form, syntax, number)
    codec = codec if said is None else _BY_KIND[said.kind]
    colour = _Colour.of(form, said, as_labelled=as_labelled)
    request = _request(codec, form, said, colour)
    try:
        words = pool().decode(
            data[said.begins :] if said is not None else data,
            request,
            frames.header.text(tags.STUDY_INSTANCE_UID) or "",
            is_cancelled,
        )
    except FrameError as error:
        raise PictureError(f"Frame {number} cannot be decoded as {syntax.name}: {error}.") from error
    precision = 8 * request.word_bytes if said is None else said.precision
    samples = words_from(words, precision, form, colour.photometric, is_signed=request.is_signed)
    if said is not None:
        # JPEG XL does not say it.
        is_lossy = said.kind != "JPEG XL" and not said.is_lossless
        samples = replace(samples, codestream=said.kind, is_lossy=is_lossy)
    if codec is not Codec.JPEG or form.samples != 3 or request.is_lossless:
        return replace(samples, remark=colour.remark)
    depth = precision if precision < form.bits_stored else None
    return replace(samples, depth=depth, is_lossy_colour=True, remark=colour.remark)


def label_remark(frames: Frames) -> str:
    """Return how the first frame differs from the object's label, as `Samples.remark` says it.

    Nothing is decoded, and no more read than the beginning of a codestream: one whose header is longer says nothing.

    Raises `PictureError` where the frame cannot be read.
    """
    form, syntax = frames.format, frames.transfer_syntax
    if _is_native(syntax) or syntax.uid == DEFLATED_IMAGE_FRAME:
        is_full = form.photometric in HALVED and form.samples == 3 and not form.is_halved
        return FULL_LENGTH.format(form.photometric) if is_full else ""
    if syntax.uid not in _CODECS:
        return ""
    return _Colour.of(form, codestreams.described(frames.beginning(1, _HEADER)), as_labelled=False).remark


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
    if said.without_decoder:
        raise PictureError(
            f"There is no decoder for {said.kind} {said.without_decoder}, as frame {number} has it."
        )
    return said


def _request(codec: Codec, form: PixelFormat, said: Codestream | None, colour: _Colour) -> FrameRequest:
    """Return the request to the codec."""
    if said is None:
        word_bytes = max(form.bits_allocated // 8, 1)
    else:
        word_bytes = 1 if said.precision <= 8 else 2 if said.precision <= 16 else 4
    return FrameRequest(
        codec=codec,
        word_bytes=word_bytes,
        is_signed=said is not None and said.signed,
        is_lossless=said is not None and said.is_lossless,
        colour=colour.transform,
        components=form.samples,
        rows=form.rows,
        columns=form.columns,
    )


@dataclass(frozen=True, slots=True)
class _Colour:
    """What the decoder does with the components, what they are then, and what the label says wrongly."""

    transform: ColourTransform
    photometric: str
    remark: str = ""

    @classmethod
    def of(cls, form: PixelFormat, said: Codestream | None, *, as_labelled: bool) -> _Colour:
        """Decide by the codestream, and by the label where the codestream does not say (PS3.5 8.2.1, 8.2.4)."""
        label = form.photometric
        if said is None or form.samples != 3:
            return cls(ColourTransform.NONE, label)
        is_ybr = label.startswith("YBR") and label not in _TRANSFORMED
        remark = ""
        if said.colour and is_ybr != (said.colour == "YCbCr"):
            remark = f"labelled {label}, but the codestream says {said.colour}"
        if said.kind == "JPEG XL":
            return cls(ColourTransform.NONE, "RGB")
        if said.kind == "JPEG 2000":
            is_rgb = said.colour == "RGB" or label in _TRANSFORMED
            return cls(ColourTransform.NONE, "RGB" if is_rgb else label, remark if is_ybr else "")
        if said.kind == "JPEG" and not said.is_lossless:
            coded_as_ybr = said.colour == "YCbCr" if said.colour else is_ybr
            if not coded_as_ybr:
                return cls(ColourTransform.NONE, "RGB", remark)
            if as_labelled and is_ybr:
                return cls(ColourTransform.NONE, "YBR_FULL")
            return cls(ColourTransform.YCBCR_TO_RGB, "RGB", remark)
        return cls(ColourTransform.NONE, label)
