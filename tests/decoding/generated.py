"""Images of every kind that a lossless transfer syntax can hold, made from a seed, with the words that went in."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import imagecodecs
import jpeg_ls
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from tests.decoding.lossless_encoder import encode
from tests.dicom.pixel_objects import as_file, image, in_syntax, items

EXPLICIT, BIG, GE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.113619.5.2"
UNCOMPRESSED, DEFLATED, DEFLATED_FRAME = (
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.8.1",
)
RLE, JPEG_LOSSLESS, JPEG_LOSSLESS_14 = (
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.57",
)
JPEG_LS, JPEG_2000, HTJ2K, JPEG_XL = (f"1.2.840.10008.1.2.4.{last}" for last in ("80", "90", "201", "110"))

#: Those that hold words as they are.
WHOLE_WORDS = (EXPLICIT, BIG, GE, UNCOMPRESSED, DEFLATED, DEFLATED_FRAME, RLE)
CODESTREAMS = (JPEG_LOSSLESS, JPEG_LOSSLESS_14, JPEG_LS, JPEG_2000, HTJ2K, JPEG_XL)
SYNTAXES = (*WHOLE_WORDS, *CODESTREAMS)


@dataclass(frozen=True)
class Generated:
    """An image: its file, what it says, its words (frames, rows, columns, samples) and their values.

    `known` has the bits of a word that the encoding keeps: all, or those up to High Bit, or those of the value alone.
    """

    what: str
    syntax: str
    file: bytes
    dataset: Dataset
    words: NDArray[Any]
    values: NDArray[np.int64]
    known: int


def generated(seed: int) -> Generated:
    """The image of a seed. Seeds that follow each other go through the syntaxes."""
    chance = random.Random(seed)
    syntax = SYNTAXES[seed % len(SYNTAXES)]
    is_whole = syntax in WHOLE_WORDS
    allocated = chance.choice((8, 16, 16, 32) if is_whole else (8, 16, 16))
    if syntax in (EXPLICIT, DEFLATED, DEFLATED_FRAME, UNCOMPRESSED) and chance.random() < 0.2:
        allocated = 1
    stored = chance.randint(1, allocated)
    if not is_whole:
        stored = max(stored, 2)
    high = chance.choice((stored - 1, allocated - 1, chance.randint(stored - 1, allocated - 1)))
    signed = stored > 1 and chance.random() < 0.4
    samples = chance.choice((1, 1, 3)) if allocated > 1 else 1
    frames, rows, columns = chance.randint(1, 3), chance.randint(1, 12), chance.randint(1, 12)
    if syntax in (JPEG_2000, HTJ2K, JPEG_XL):
        rows, columns = rows + 4, columns + 4
    planar = samples == 3 and chance.random() < 0.5
    shift = high + 1 - stored
    noise = np.random.default_rng(seed)
    if syntax == JPEG_LS:
        # pyjpegls has no room for frames that become larger: all rows are alike.
        rows = 24
    shape = (frames, 1 if syntax == JPEG_LS else rows, columns, samples)
    kind = f"u{max(allocated // 8, 1)}"
    values = noise.integers(0, 1 << stored, shape, dtype=np.uint64)
    precision, junk, overlay = allocated, 0, None
    if is_whole or syntax == HTJ2K or chance.random() < 0.5:
        # The encoder was given whole words, with whatever was in their other bits.
        junk = ((1 << allocated) - 1) & ~(((1 << stored) - 1) << shift)
        if chance.random() < 0.3:
            junk = 0
        if high < allocated - 1 and chance.random() < 0.5:
            overlay = chance.randint(high + 1, allocated - 1)
        known = (1 << allocated) - 1
    elif chance.random() < 0.5:
        precision = max(high + 1, 2)
        known = (1 << precision) - 1
    else:
        # A decoder cannot tell values from words, where the precision is not that of either.
        precision = stored
        known = ((1 << stored) - 1) << shift
    words = (
        (values << np.uint64(shift)) | (noise.integers(0, 1 << allocated, shape, np.uint64) & junk)
    ).astype(kind)
    values, words = (each.repeat(rows // each.shape[1], axis=1) for each in (values, words))
    coded = (values if precision == stored and precision <= high else words).astype(kind)
    numbers = values.astype(np.int64)
    if signed:
        numbers -= (numbers >> stored - 1) << stored
    dataset = image(
        Rows=rows,
        Columns=columns,
        SamplesPerPixel=samples,
        PhotometricInterpretation="RGB" if samples == 3 else "MONOCHROME2",
        PlanarConfiguration=int(planar) if samples == 3 else None,
        NumberOfFrames=frames,
        BitsAllocated=allocated,
        BitsStored=stored,
        HighBit=high,
        PixelRepresentation=int(signed),
    )
    if overlay is not None:
        for element, vr, value in (
            (0x10, "US", rows),
            (0x11, "US", columns),
            (0x40, "CS", "G"),
            (0x50, "SS", [1, 1]),
            (0x100, "US", allocated),
            (0x102, "US", overlay),
        ):
            dataset.add_new(0x60000000 + element, vr, value)
    file = _stored(dataset, syntax, coded, precision, signed=signed and chance.random() < 0.5, planar=planar)
    what = (
        f"seed {seed}: {syntax}, {allocated} allocated, {stored} stored, high bit {high}, signed {signed}, "
        f"{samples} samples, planar {planar}, {frames} frames of {columns} x {rows}, precision {precision}, "
        f"overlay in {overlay}"
    )
    return Generated(what, syntax, file, dataset, words, numbers, known)


def _stored(
    dataset: Dataset, syntax: str, coded: NDArray[Any], precision: int, *, signed: bool, planar: bool
) -> bytes:
    if dataset.BitsAllocated == 1:
        each = [np.packbits(frame.reshape(-1), bitorder="little").tobytes() for frame in coded]
        value = np.packbits(coded.reshape(-1), bitorder="little").tobytes()
    else:
        laid = coded.transpose(0, 3, 1, 2) if planar and syntax in WHOLE_WORDS else coded
        each = [np.ascontiguousarray(frame).tobytes() for frame in laid]
        value = b"".join(each)
    if syntax in (BIG, GE):
        size = dataset.BitsAllocated // 8
        value = np.frombuffer(value, f"<u{size}").byteswap().tobytes()
    if syntax in (EXPLICIT, BIG, GE, DEFLATED):
        dataset.PixelData = value + b"\0" * (len(value) % 2)
        dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
        if syntax == GE:
            return in_syntax(as_file(dataset, "1.2.840.10008.1.2").getvalue(), syntax)
        return as_file(dataset, syntax).getvalue()
    match syntax:
        case "1.2.840.10008.1.2.1.98":
            frames = each
        case "1.2.840.10008.1.2.8.1":
            frames = [_deflated(frame) for frame in each]
        case _:
            frames = [_encoded(frame, syntax, precision, signed=signed) for frame in coded]
    dataset.PixelData = items(*frames)
    return as_file(dataset, syntax).getvalue()


def _deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def rle(frame: NDArray[Any]) -> bytes:
    """One frame in RLE (PS3.5 G), without any runs of equal bytes."""
    size = frame.dtype.itemsize
    planes = frame.view("u1").reshape(-1, frame.shape[-1], size)
    segments = []
    for component in range(frame.shape[-1]):
        for byte in range(size - 1, -1, -1):
            plane = planes[:, component, byte].tobytes()
            coded = b"".join(
                bytes([len(part) - 1]) + part
                for part in (plane[at : at + 128] for at in range(0, len(plane), 128))
            )
            segments.append(coded + b"\0" * (len(coded) % 2))
    offsets = [64 + sum(map(len, segments[:each])) for each in range(len(segments))]
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments)))
    return header + b"".join(segments)


def _encoded(frame: NDArray[Any], syntax: str, precision: int, *, signed: bool) -> bytes:
    """One frame, (rows, columns, samples), as a codestream of so many bits."""
    frame = np.ascontiguousarray(frame.astype("u1") if precision <= 8 else frame)
    flat = frame if frame.shape[-1] == 3 else frame[..., 0]
    match syntax:
        case "1.2.840.10008.1.2.5":
            return rle(np.ascontiguousarray(frame))
        case "1.2.840.10008.1.2.4.70" | "1.2.840.10008.1.2.4.57":
            predictor = 1 if syntax.endswith("70") else 1 + int(frame.sum()) % 7
            return encode(frame.astype("u2"), precision=precision, predictor=predictor)
        case "1.2.840.10008.1.2.4.80":
            return _jpeg_ls(flat, precision)
        case "1.2.840.10008.1.2.4.90":
            if signed:
                unused = 8 * flat.itemsize - precision
                flat = (flat << unused).view(f"i{flat.itemsize}") >> unused
            return bytes(
                imagecodecs.jpeg2k_encode(
                    flat, level=0, codecformat="j2k", bitspersample=precision, mct=False
                )
            )
        case "1.2.840.10008.1.2.4.201":
            return bytes(imagecodecs.htj2k_encode(flat, reversible=True))
        case _:
            return bytes(imagecodecs.jpegxl_encode(flat, lossless=True, bitspersample=precision))


def _jpeg_ls(flat: NDArray[Any], precision: int) -> bytes:
    mode = 0 if flat.ndim == 2 else 2
    if flat.size % 2:
        # Its precision is then that of the greatest number.
        return bytes(jpeg_ls.encode_array(flat, interleave_mode=mode))
    return bytes(
        jpeg_ls.encode_pixel_data(
            flat.tobytes(),
            rows=flat.shape[0],
            columns=flat.shape[1],
            samples_per_pixel=1 if flat.ndim == 2 else 3,
            bits_allocated=8 * flat.itemsize,
            bits_stored=precision,
            planar_configuration=0,
            interleave_mode=mode,
        )
    )
