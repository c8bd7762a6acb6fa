"""What codecs make of frames: what an independent encoder wrote comes back, and what lies or is damaged is named."""

from __future__ import annotations

import io
import struct
import tracemalloc
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from kinote.decoding.frame_decoder import can_decode, decode_frame
from kinote.dicom.dictionary.transfer_syntaxes import lookup
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.samples import Samples
from tests.decoding.lossless_encoder import encode
from tests.dicom.pixel_objects import BASELINE, JPEG_LOSSLESS, as_file, image, items

RLE = "1.2.840.10008.1.2.5"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"
JPEG_XL = "1.2.840.10008.1.2.4.110"


def decoded(frame: bytes, syntax: str, **attributes: Any) -> Samples:
    """The samples of an object of one frame."""
    attributes = {"PhotometricInterpretation": "MONOCHROME2", **attributes}
    with open_frames(as_file(image(PixelData=items(frame), **attributes), syntax)) as frames:
        return decode_frame(frames, 1)


def header(samples: NDArray[Any], bits: int) -> dict[str, Any]:
    """What the object says of such samples."""
    components = samples.shape[2] if samples.ndim == 3 else 1
    return {
        "Rows": samples.shape[0],
        "Columns": samples.shape[1],
        "SamplesPerPixel": components,
        "PhotometricInterpretation": "RGB" if components == 3 else "MONOCHROME2",
        "BitsAllocated": 8 if bits <= 8 else 16,
        "BitsStored": bits,
    }


def noise(rows: int, columns: int, components: int, bits: int, seed: int = 1) -> NDArray[Any]:
    shape = (rows, columns) if components == 1 else (rows, columns, components)
    dtype = np.uint8 if bits <= 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 1 << bits, shape, dtype=dtype)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    components=st.sampled_from([1, 3, 4]),
    predictor=st.integers(1, 7),
    precision=st.integers(2, 16),
    transform=st.integers(0, 1),
    restart_rows=st.integers(0, 3),
    interleaved=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_lossless_jpeg_of_any_kind(
    rows: int,
    columns: int,
    components: int,
    predictor: int,
    precision: int,
    transform: int,
    restart_rows: int,
    interleaved: bool,
    seed: int,
) -> None:
    samples = noise(rows, columns, components, precision, seed)
    stream = encode(
        samples.reshape(rows, columns, components).astype(np.uint16),
        precision=precision,
        predictor=predictor,
        transform=transform,
        restart_rows=restart_rows,
        interleaved=interleaved,
    )
    found = decoded(stream, JPEG_LOSSLESS, **header(samples, precision)).array
    assert np.array_equal(found, samples >> transform << transform)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("components", [1, 3])
@pytest.mark.parametrize("syntax", [JPEG_LS, JPEG_2000, HTJ2K, JPEG_XL])
def test_lossless_codecs(syntax: str, components: int, bits: int) -> None:
    samples = noise(13, 17, components, bits)
    match syntax:
        case "1.2.840.10008.1.2.4.80":
            frame = imagecodecs.jpegls_encode(samples)
        case "1.2.840.10008.1.2.4.90":
            frame = imagecodecs.jpeg2k_encode(samples, level=0, codecformat="j2k", bitspersample=bits)
        case "1.2.840.10008.1.2.4.201":
            frame = imagecodecs.htj2k_encode(samples, reversible=True)
        case _:
            frame = imagecodecs.jpegxl_encode(samples, lossless=True, bitspersample=bits)
    found = decoded(bytes(frame), syntax, **header(samples, bits))
    assert np.array_equal(found.array, samples)
    assert found.photometric == ("RGB" if components == 3 else "MONOCHROME2")


def _jpeg(**options: Any) -> tuple[NDArray[np.uint8], bytes]:
    down, across = np.mgrid[:40, :56]
    picture = np.dstack([down * 6, across * 4, down + across]).astype(np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(picture).save(encoded, "JPEG", quality=98, subsampling=0, **options)
    return picture, encoded.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("label", ["YBR_FULL_422", "YBR_FULL"])
def test_colours_of_jpeg_become_rgb(label: str, progressive: bool) -> None:
    picture, stream = _jpeg(progressive=progressive)
    found = decoded(stream, BASELINE, **header(picture, 8) | {"PhotometricInterpretation": label})
    assert found.photometric == "RGB"
    assert np.abs(found.array.astype(int) - picture).max() < 12


def test_colours_of_jpeg_that_were_not_transformed() -> None:
    picture, stream = _jpeg(keep_rgb=True)
    found = decoded(stream, BASELINE, **header(picture, 8))
    assert np.abs(found.array.astype(int) - picture).max() < 12


@pytest.mark.parametrize(("signed", "expected"), [(1, -3), (0, 4093)])
def test_the_sign_is_the_objects(signed: int, expected: int) -> None:
    """A codestream of 12 bits says nothing of those above."""
    samples = np.full((4, 4), 4093, np.uint16)
    frame = imagecodecs.jpeg2k_encode(samples, level=0, codecformat="j2k", bitspersample=12)
    said = header(samples, 12) | {"PixelRepresentation": signed}
    found = decoded(bytes(frame), JPEG_2000, **said)
    assert found.words is not None and found.words.values(found.array).max() == expected
    assert found.array.view(np.int16).max() == expected


def rle(*segments: bytes, offsets: list[int] | None = None) -> bytes:
    """An RLE frame of such segments (PS3.5 G.5)."""
    at = [64 + sum(map(len, segments[:each])) for each in range(len(segments))]
    told = (at if offsets is None else offsets)[:15]
    return struct.pack("<16I", len(told), *told, *[0] * (15 - len(told))) + b"".join(segments)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (rle(b"\x03\1\2\3\4"), [1, 2, 3, 4]),
        (rle(b"\xfd\7\x00"), [7, 7, 7, 7]),
        (rle(b"\x80\x80\x03\1\2\3\4\x00"), [1, 2, 3, 4]),
        (rle(b"\x03\1\2\3\4\x00\x09"), [1, 2, 3, 4]),
        (b"\1\0\0\0", "the RLE header is truncated"),
        (rle(), "it has 0 segments instead of 1"),
        (rle(b"\x03\1\2\3\4", b"\x03\1\2\3\4"), "it has 2 segments instead of 1"),
        (struct.pack("<16I", 0xFFFFFFFF, *[64] * 15), "it has 4294967295 segments instead of 1"),
        (rle(b"\x03\1\2\3\4", offsets=[0]), "an RLE segment is outside the frame"),
        (rle(b"\x03\1\2\3\4", offsets=[1 << 31]), "an RLE segment is outside the frame"),
        (rle(b"\x02\1\2\3"), "segment 1 has 3 bytes of 4"),
        (rle(b""), "segment 1 has 0 bytes of 4"),
        (rle(b"\x81\1" * 3), "IMCD_OUTPUT_TOO_SMALL"),
        (rle(b"\x7f\1\2\3\4"), "IMCD_INPUT_CORRUPT"),
    ],
)
def test_rle(frame: bytes, said: list[int] | str) -> None:
    """A list is what is decoded, a text what is wrong."""
    if isinstance(said, str):
        with pytest.raises(PictureError, match=said):
            decoded(frame, RLE)
    else:
        assert decoded(frame, RLE).array.reshape(-1).tolist() == said


def test_the_highest_byte_of_an_rle_word_is_the_first_segment() -> None:
    frame = rle(b"\x03\1\2\3\4\x00", b"\x03\5\6\7\x08\x00")
    found = decoded(frame, RLE, BitsAllocated=16)
    assert found.array.reshape(-1).tolist() == [0x0105, 0x0206, 0x0307, 0x0408]


def _lossless_frame() -> bytes:
    samples = np.random.default_rng(1).integers(0, 4096, (20, 20, 1), dtype=np.uint16)
    return encode(samples, precision=12, predictor=1)


_GREY = noise(20, 20, 1, 12)
FRAMES = {
    BASELINE: bytes(imagecodecs.jpeg8_encode(_GREY.astype(np.uint8))),
    JPEG_LOSSLESS: _lossless_frame(),
    JPEG_LS: bytes(imagecodecs.jpegls_encode(_GREY)),
    JPEG_2000: bytes(imagecodecs.jpeg2k_encode(_GREY, level=0, codecformat="j2k", bitspersample=12)),
    HTJ2K: bytes(imagecodecs.htj2k_encode(_GREY, reversible=True)),
    JPEG_XL: bytes(imagecodecs.jpegxl_encode(_GREY, lossless=True, bitspersample=12)),
}


@pytest.mark.parametrize("part", [0.1, 0.6, 0.95])
@pytest.mark.parametrize("syntax", FRAMES)
def test_a_frame_that_is_cut_short_is_refused(syntax: str, part: float) -> None:
    whole = FRAMES[syntax]
    with pytest.raises(PictureError, match="Frame 1"):
        decoded(whole[: int(len(whole) * part)], syntax, Rows=20, Columns=20, BitsAllocated=16, BitsStored=12)


def test_a_lossless_frame_that_is_cut_short_and_ended_is_refused() -> None:
    whole = FRAMES[JPEG_LOSSLESS]
    with pytest.raises(PictureError, match="truncated"):
        decoded(whole[:-60] + b"\xff\xd9", JPEG_LOSSLESS, Rows=20, Columns=20, BitsAllocated=16)


def _claiming(syntax: str, rows: int, columns: int) -> bytes:
    """A small frame whose header says that it is large."""
    frame = bytearray(FRAMES[syntax])
    if syntax in (JPEG_2000, HTJ2K):
        # The size of the image and of its tiles, which begin at 0.
        struct.pack_into(">IIIIII", frame, 8, columns, rows, 0, 0, columns, rows)
        return bytes(frame)
    marker = {BASELINE: b"\xff\xc0", JPEG_LOSSLESS: b"\xff\xc3", JPEG_LS: b"\xff\xf7"}[syntax]
    struct.pack_into(">HH", frame, frame.index(marker) + 5, rows, columns)
    return bytes(frame)


@pytest.mark.parametrize("syntax", [BASELINE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K])
def test_a_frame_that_claims_to_be_huge_costs_nothing(syntax: str) -> None:
    frame = _claiming(syntax, 65535, 65535)
    tracemalloc.start()
    with pytest.raises(PictureError, match="compressed frame is 65535 x 65535 with 1 components"):
        decoded(frame, syntax, Rows=20, Columns=20, BitsAllocated=16)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_a_huge_jpeg_xl_frame() -> None:
    # A size header: not small, 30 bits of height and of width, all ones.
    frame = b"\xff\x0a" + (0b110 | (1 << 30) - 1 << 3 | 3 << 36 | (1 << 30) - 1 << 38).to_bytes(9, "little")
    with pytest.raises(PictureError, match="compressed frame is 1073741824 x 1073741824"):
        decoded(frame + bytes(60), JPEG_XL, Rows=20, Columns=20)


@pytest.mark.parametrize("syntax", FRAMES)
def test_what_is_no_codestream_is_named(syntax: str) -> None:
    with pytest.raises(PictureError, match=f"Frame 1 is not a {lookup(syntax).name[:8]}"):
        decoded(b"\xff\xd8\xff\xd9" * 10, syntax, Rows=20, Columns=20)


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        ("1.2.840.10008.1.2.1", True),
        ("1.2.840.10008.1.2.1.98", True),
        *((syntax, True) for syntax in (*FRAMES, RLE)),
        ("1.2.840.10008.1.2.4.53", True),
        ("1.2.840.10008.1.2.4.100", False),
        ("1.2.3.4", False),
    ],
)
def test_what_can_be_decoded(syntax: str, expected: bool) -> None:
    assert can_decode(lookup(syntax)) is expected


def test_pixels_of_single_bits_are_not_compressed() -> None:
    with pytest.raises(PictureError, match="cannot be compressed as RLE"):
        decoded(rle(b"\x00\xff"), RLE, BitsAllocated=1)
