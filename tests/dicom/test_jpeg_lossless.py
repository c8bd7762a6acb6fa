"""Lossless JPEG: what an independent encoder wrote comes back; damage is named; nothing is allocated on trust."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinote.dicom.pixels.jpeg import lossless
from kinote.dicom.pixels.jpeg.stream import JpegError
from tests.dicom.lossless_encoder import encode


def _noise(rows: int, columns: int, components: int, precision: int, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 1 << precision, (rows, columns, components), dtype=np.uint16)


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("precision", [2, 8, 12, 16])
@pytest.mark.parametrize("components", [1, 3])
def test_all_predictors_and_precisions(predictor: int, precision: int, components: int) -> None:
    samples = _noise(7, 11, components, precision)
    decoded = lossless.decode(encode(samples, precision=precision, predictor=predictor))
    assert decoded.dtype == (np.uint8 if precision <= 8 else np.uint16)
    assert np.array_equal(decoded.reshape(samples.shape), samples)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    components=st.integers(1, 4),
    predictor=st.integers(1, 7),
    precision=st.integers(2, 16),
    restart_rows=st.integers(0, 3),
    interleaved=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_round_trip(
    rows: int,
    columns: int,
    components: int,
    predictor: int,
    precision: int,
    restart_rows: int,
    interleaved: bool,
    seed: int,
) -> None:
    samples = _noise(rows, columns, components, precision, seed)
    stream = encode(
        samples,
        precision=precision,
        predictor=predictor,
        restart_rows=restart_rows,
        interleaved=interleaved,
    )
    assert np.array_equal(lossless.decode(stream).reshape(samples.shape), samples)


def test_point_transform_leaves_the_low_bits_out() -> None:
    samples = _noise(5, 6, 1, 12)
    decoded = lossless.decode(encode(samples, precision=12, predictor=1, transform=3))
    assert np.array_equal(decoded, samples[..., 0] >> 3 << 3)


def test_the_largest_difference_has_no_extra_bits() -> None:
    samples = np.array([[[32768], [0], [32768], [0]]], np.uint16)
    decoded = lossless.decode(encode(samples, precision=16, predictor=1))
    assert decoded.tolist() == [[32768, 0, 32768, 0]]


@pytest.mark.parametrize("components", [1, 2, 3])
def test_frames_larger_than_one_block_of_coded_bytes(
    components: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lossless, "BLOCK", 7)
    samples = _noise(9, 13, components, 16)
    stream = encode(samples, precision=16, predictor=1)
    assert np.array_equal(lossless.decode(stream).reshape(samples.shape), samples)


_WHOLE = encode(_noise(20, 20, 1, 12), precision=12, predictor=1)


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (b"", "does not begin with SOI"),
        (b"\xff\xd8\xff\xd9", "no frame header"),
        (_WHOLE[: len(_WHOLE) // 2], "cut short"),
        (_WHOLE[:30], "cut short"),
        (_WHOLE.replace(b"\xff\xc3", b"\xff\xc0"), "not lossless"),
        (_WHOLE.replace(b"\xff\xc4", b"\xff\xfe"), "does not define"),
        (_WHOLE[:-202] + bytes([0xFE] * 200) + b"\xff\xd9", "Huffman table does not define"),
    ],
)
def test_damage_is_named(stream: bytes, said: str) -> None:
    with pytest.raises(JpegError, match=said):
        lossless.decode(stream)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, len(_WHOLE) - 1), value=st.integers(0, 255))
def test_any_damaged_byte_gives_samples_or_a_jpeg_error(place: int, value: int) -> None:
    damaged = bytearray(_WHOLE)
    damaged[place] = value
    with suppress(JpegError):
        lossless.decode(bytes(damaged))


def test_a_header_that_lies_about_the_size_costs_no_memory() -> None:
    at = _WHOLE.index(b"\xff\xc3") + 5
    lying = _WHOLE[:at] + b"\xff\xff\xff\xff" + _WHOLE[at + 4 :]
    tracemalloc.start()
    with pytest.raises(JpegError, match="more than"):
        lossless.decode(lying)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()
