"""What a receiver gets that takes no syntax in which an object is stored: the same values, natively encoded."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSNearLossless,
    RLELossless,
)

from kinote.decoding import frame_memory
from kinote.decoding.errors import DecodingUnavailableError
from kinote.delivery import outgoing
from kinote.delivery.outgoing import TARGETS, TranscodingError
from kinote.dicom.dictionary.transfer_syntaxes import LOSSY
from kinote.memory.ledger import Ledger
from tests.decoding.lossless_encoder import encode
from tests.delivery.natively import images, natively

SIZE = 8


def read(source: Path | bytes, syntax: str = TARGETS[0]) -> Dataset:
    return pydicom.dcmread(io.BytesIO(natively(source, syntax)))


def stored(dataset: Dataset, syntax: UID) -> bytes:
    """A data set as a file; the values of words are taken as they are."""
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def path_syntax(path: Path) -> UID:
    return pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID


def picture(pixels: bytes, **attributes: object) -> Dataset:
    dataset = Dataset()
    dataset.Rows = dataset.Columns = SIZE
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.add_new(0x7FE00010, "OW" if dataset.BitsAllocated > 8 else "OB", pixels)
    return dataset


@pytest.mark.parametrize("syntax", TARGETS)
def test_pixels_are_those_that_pydicom_decodes(test_data: Path, syntax: str) -> None:
    """What it has no decoder for is compared with DCMTK's, in tests/interop."""
    compared = set()
    for path in images(test_data, lambda dataset: dataset.file_meta.TransferSyntaxUID.is_compressed):
        decoded = pydicom.dcmread(path)
        try:
            decoded.decompress(generate_instance_uid=False)
        except (NotImplementedError, RuntimeError, ValueError):
            # How pydicom says that no decoder is installed, that one has failed, or that the pixels are damaged.
            continue
        ours = read(path, syntax)
        if decoded.SamplesPerPixel == 3 and path_syntax(path) == JPEGBaseline8Bit:
            # pydicom and libjpeg round colours otherwise; DCMTK's are the same.
            difference = np.frombuffer(ours.PixelData, "u1").astype(int) - np.frombuffer(
                decoded.PixelData, "u1"
            )
            assert np.abs(difference).max() <= 1, path
        else:
            assert ours.PixelData == decoded.PixelData, path
        for keyword in ("PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit"):
            assert ours[keyword].value == decoded[keyword].value, (path, keyword)
        assert ours.get("PlanarConfiguration") == decoded.get("PlanarConfiguration"), path
        said = pydicom.dcmread(path).get("LossyImageCompression")
        assert ours.get("LossyImageCompression") == ("01" if path_syntax(path) in LOSSY else said), path
        compared.add(decoded.SOPInstanceUID)
    assert len(compared) > 8


def test_what_is_compressed_losslessly_comes_out_as_it_went_in(test_data: Path) -> None:
    """The same picture lies there natively and in many syntaxes."""
    native = pydicom.dcmread(next(test_data.rglob("CTImage.dcm")))
    lossless = {"1.2.4.57", "1.2.4.70", "1.2.4.80", "1.2.4.90", "10008.1.2.5", "1.2.1.99", "10008.1.2.2"}
    seen = set()
    for path in test_data.rglob("CTImage.dcm_*"):
        syntax = pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
        for ending in lossless:
            if syntax.endswith(ending):
                assert read(path).PixelData == native.PixelData, path
                seen.add(ending)
    assert seen == lossless


def test_words_of_big_endian_are_turned_over() -> None:
    numbers = np.arange(SIZE * SIZE)
    dataset = picture(numbers.astype(">u2").tobytes())
    dataset.add_new(0x60003000, "OW", b"\x01\x02")
    item = Dataset()
    item.add_new(0x00283006, "OW", b"\x12\x34\x56\x78")
    dataset.ModalityLUTSequence = [item]
    dataset.add_new(0x00660016, "OF", np.array([1.5, -2], ">f4").tobytes())
    dataset.add_new(0x00081197, "US", 258)
    sent = read(stored(dataset, ExplicitVRBigEndian))
    assert sent.PixelData == numbers.astype("<u2").tobytes()
    assert sent[0x60003000].value == b"\x02\x01"
    assert sent.ModalityLUTSequence[0][0x00283006].value == b"\x34\x12\x78\x56"
    assert sent[0x00660016].value == np.array([1.5, -2], "<f4").tobytes()
    assert sent[0x00081197].value == 258


@pytest.mark.parametrize(
    ("bits", "vr"), [(8, "OB"), (8, "OW"), (32, "OW")], ids=["bytes", "bytes in words", "numbers of 32 bits"]
)
def test_pixels_of_big_endian_of_other_sizes(bits: int, vr: str) -> None:
    numbers = np.arange(SIZE * SIZE).astype(f"<u{bits // 8}")
    dataset = picture(b"", BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1)
    swapped = numbers.byteswap().tobytes() if bits == 32 else numbers.tobytes()
    if (bits, vr) == (8, "OW"):
        swapped = np.frombuffer(swapped, "<u2").byteswap().tobytes()
    dataset.add_new(0x7FE00010, vr, swapped)
    sent = read(stored(dataset, ExplicitVRBigEndian))
    assert sent.PixelData == numbers.tobytes()


def test_a_document_that_says_it_is_compressed() -> None:
    dataset = Dataset()
    dataset.PatientID = "P1"
    sent = read(stored(dataset, JPEGLosslessSV1))
    assert sent.PatientID == "P1"


def compressed(data: bytes, syntax: UID) -> Dataset:
    dataset = picture(encapsulate([data]), BitsAllocated=8, BitsStored=8, HighBit=7)
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    return dataset


def test_what_is_no_codestream_is_not_sent_as_pixels() -> None:
    with pytest.raises(TranscodingError, match=r"could not be decompressed: Frame 1 is not a JPEG Baseline"):
        read(stored(compressed(b"nothing", JPEGBaseline8Bit), JPEGBaseline8Bit))


def test_a_compressed_icon_is_not_sent_as_pixels() -> None:
    dataset = compressed(b"nothing", RLELossless)
    dataset.IconImageSequence = [compressed(b"nothing", RLELossless)]
    with pytest.raises(TranscodingError, match="a compressed icon"):
        read(stored(dataset, RLELossless))


def test_frames_that_would_fill_the_memory_are_not_decoded() -> None:
    dataset = compressed(b"nothing", RLELossless)
    dataset.NumberOfFrames = 10_000_000
    with pytest.raises(TranscodingError, match="more than 536870912 bytes"):
        read(stored(dataset, RLELossless))


def test_what_nobody_decodes_is_said() -> None:
    with pytest.raises(TranscodingError, match="There is no decoder for MPEG2"):
        read(stored(compressed(b"nothing", MPEG2MPML), MPEG2MPML))


def test_law_5_an_offset_table_that_points_nowhere_is_the_objects_own_fault() -> None:
    dataset = compressed(b"nothing", RLELossless)
    dataset.ExtendedOffsetTable = (2**64 - 1).to_bytes(8, "little")
    dataset.ExtendedOffsetTableLengths = (2**64 - 1).to_bytes(8, "little")
    with pytest.raises(TranscodingError, match=r"could not be decompressed: .* points beyond the end"):
        read(stored(dataset, RLELossless))


def test_a_deflated_object_goes_out_inflated() -> None:
    dataset = picture(bytes(range(128)))
    sent = read(stored(dataset, DeflatedExplicitVRLittleEndian))
    assert sent.PixelData == bytes(range(128))
    assert sent.file_meta.TransferSyntaxUID == TARGETS[0]


def test_law_5_a_deflated_object_that_would_fill_the_memory_is_not_inflated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not by pydicom either, which inflates whatever comes."""
    monkeypatch.setattr(outgoing, "_TRANSCODING_LIMIT", 1 << 20)
    monkeypatch.setattr(outgoing, "pydicom", None)
    bomb = stored(picture(bytes(16 << 20)), DeflatedExplicitVRLittleEndian)
    with pytest.raises(TranscodingError, match="too large to be re-encoded"):
        natively(bomb)


def test_law_5_objects_are_re_encoded_within_one_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a compressed object takes is taken before it is decoded, and given back after."""
    ledger = Ledger(1 << 20, longest_wait=0.0)
    monkeypatch.setattr(frame_memory, "MEMORY", ledger)
    data = stored(picture(bytes(128)), ExplicitVRBigEndian)
    with ledger.open() as other:
        other.reach(1 << 20)
        with pytest.raises(DecodingUnavailableError, match="try again later"):
            natively(data)
    assert read(data).PixelData == bytes(128)
    assert ledger.held == 0


def test_law_5_whatever_re_encoding_raises_is_the_objects_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OverflowError

    monkeypatch.setattr(outgoing, "make_native", fails)
    with pytest.raises(TranscodingError, match="could not be re-encoded: OverflowError"):
        read(stored(compressed(b"nothing", RLELossless), RLELossless))


def jpeg(**options: Any) -> bytes:
    file = io.BytesIO()
    size = SIZE, SIZE
    picture = Image.new("RGB", size, (200, 30, 40)) if "subsampling" in options else Image.new("L", size, 90)
    picture.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEG2000Lossless, JPEGLSNearLossless, JPEGBaseline8Bit])
def test_what_a_codestream_has_lost_is_told_whatever_the_syntax_says(syntax: UID) -> None:
    dataset = compressed(jpeg(), syntax)
    dataset.LossyImageCompression = "00"
    sent = read(stored(dataset, syntax))
    assert sent.LossyImageCompression == "01"
    assert sent.LossyImageCompressionMethod == "ISO_10918_1"


def of_frames(*frames: bytes, **attributes: object) -> Dataset:
    dataset = compressed(b"nothing", JPEGBaseline8Bit)
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = encapsulate(list(frames))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset["PixelData"].is_undefined_length = True
    return dataset


def test_every_frame_is_asked_whether_something_was_lost() -> None:
    lossless = encode(np.zeros((SIZE, SIZE, 1), np.uint16), precision=8, predictor=1)
    dataset = of_frames(lossless, jpeg(), LossyImageCompression="00")
    assert read(stored(dataset, JPEGLosslessSV1)).LossyImageCompression == "01"
    dataset = of_frames(lossless, lossless, LossyImageCompression="00")
    assert read(stored(dataset, JPEGLosslessSV1)).LossyImageCompression == "00"


def test_frames_of_different_colours_make_no_native_object() -> None:
    coded_as_ybr = jpeg(subsampling=0)
    lossless = encode(np.zeros((SIZE, SIZE, 3), np.uint16), precision=8, predictor=1)
    dataset = of_frames(
        coded_as_ybr,
        lossless,
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL",
        PlanarConfiguration=0,
    )
    with pytest.raises(
        TranscodingError, match="Frame 2 is YBR_FULL once it is decoded, but those before it are RGB"
    ):
        read(stored(dataset, JPEGBaseline8Bit))
