"""Generated images as DCMTK decodes them: the values are the same, and the words where it keeps the attributes.

What it does otherwise is in docs/pictures.md.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from tests.decoding import generated as kinds
from tests.decoding.generated import SYNTAXES, Generated, generated
from tests.decoding.test_stored_words import words_in
from tests.delivery.natively import natively
from tests.interop.peers import run

#: Longer under scripts/soak.
pytestmark = pytest.mark.soak

DECODERS = {
    kinds.RLE: "dcmdrle",
    kinds.JPEG_LS: "dcmdjpls",
    kinds.JPEG_LOSSLESS: "dcmdjpeg",
    kinds.JPEG_LOSSLESS_14: "dcmdjpeg",
    kinds.BIG: "dcmconv",
    kinds.GE: "dcmconv",
}

SCRIPT = Path(__file__).with_name("gdcm_values.py")

#: Images of each syntax.
_NUMBER = 100 if os.environ.get("KINOTE_SOAK") == "1" else 5


def _values(dataset: pydicom.Dataset) -> NDArray[np.int64]:
    shift = dataset.HighBit + 1 - dataset.BitsStored
    values: NDArray[np.int64] = words_in(dataset).astype(np.int64) >> shift & (1 << dataset.BitsStored) - 1
    if dataset.PixelRepresentation:
        values -= values >> dataset.BitsStored - 1 << dataset.BitsStored
    return values


def _is_comparable(made: Generated) -> bool:
    dataset = made.dataset
    if made.syntax in (kinds.BIG, kinds.GE):
        # DCMTK turns over words of 16 bits, whatever lies in them.
        return bool(dataset.BitsAllocated == 16)
    # A codestream of the values alone: DCMTK's JPEG-LS takes them for words.
    is_values = made.known.bit_count() == dataset.BitsStored and dataset.HighBit > dataset.BitsStored - 1
    return not (made.syntax == kinds.JPEG_LS and is_values)


@pytest.mark.parametrize("syntax", DECODERS)
def test_dcmtk_decodes_the_same(tmp_path: Path, syntax: str) -> None:
    compared = 0
    for seed in range(SYNTAXES.index(syntax), _NUMBER * len(SYNTAXES), len(SYNTAXES)):
        made = generated(seed)
        if not _is_comparable(made):
            continue
        stored, decoded = tmp_path / "stored", tmp_path / "decoded"
        stored.write_bytes(made.file)
        if run(DECODERS[syntax], "+te", stored, decoded)[0]:
            # Precisions that DCMTK does not take.
            continue
        ours, theirs = pydicom.dcmread(io.BytesIO(natively(made.file))), pydicom.dcmread(decoded)
        assert np.array_equal(_values(ours), _values(theirs)), made.what
        if theirs.HighBit == ours.HighBit and theirs.BitsStored == ours.BitsStored:
            known = made.known
            assert not ((words_in(ours) ^ words_in(theirs)) & known).any(), made.what
        compared += 1
    assert compared


@pytest.mark.parametrize("syntax", [kinds.JPEG_2000, kinds.HTJ2K])
def test_gdcm_decodes_the_same(tmp_path: Path, syntax: str) -> None:
    compared = 0
    for seed in range(SYNTAXES.index(syntax), _NUMBER * len(SYNTAXES), len(SYNTAXES)):
        made = generated(seed)
        stored, decoded = tmp_path / "stored", tmp_path / "decoded"
        stored.write_bytes(made.file)
        # In a process of its own: it may abort.
        result, said = run(sys.executable, SCRIPT, stored, decoded)
        if result:
            continue
        form = json.loads(said.splitlines()[-1])
        is_moved = form["stored"] == made.dataset.BitsStored and form["high"] != made.dataset.HighBit
        if form["planar"] or is_moved:
            # GDCM lays out planes, and moves values, in ways of its own.
            continue
        words = np.frombuffer(decoded.read_bytes(), f"<u{form['allocated'] // 8}").astype(np.int64)
        # It gives the samples of the codestream: words, or the values alone.
        is_values = made.known.bit_count() == made.dataset.BitsStored < made.dataset.HighBit + 1
        expected = made.values if is_values else made.words.astype(np.int64) & made.known
        mask = (1 << form["stored"]) - 1
        found = words.reshape(made.words.shape) if is_values else words.reshape(made.words.shape) & made.known
        assert np.array_equal(found & mask, expected & mask), made.what
        compared += 1
    assert compared
