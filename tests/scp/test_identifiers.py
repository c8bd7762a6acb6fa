"""Identifiers of requests: level, keys and what is wanted; and what is refused, whatever bytes come."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from kinote.catalog.queries.matching_keys import path_of
from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dimse.information_models import QueryLevel
from kinote.scp.queries.identifier_error import IdentifierError, Refusal
from kinote.scp.queries.identifiers import read_identifier
from tests.scale import SCALE
from tests.scp.requests import SYNTAXES, encoded, request


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_level_keys_and_what_is_wanted(syntax: str) -> None:
    asked = request(
        "STUDY",
        PatientName="Doe*",
        StudyDate="20240101-",
        StudyInstanceUID=["1.2", "1.3"],
        ModalitiesInStudy="",
        ConceptNameCodeSequence=[{"CodeValue": "113000", "CodeMeaning": ""}],
        ReferencedRequestSequence=[],
        RequestAttributesSequence=[{}],
    )
    identifier = read_identifier(encoded(asked, syntax), syntax)
    assert identifier.level is QueryLevel.STUDY
    assert identifier.keys == {
        path_of("PatientName"): "Doe*",
        path_of("StudyDate"): "20240101-",
        path_of("StudyInstanceUID"): "1.2\\1.3",
        path_of("ConceptNameCodeSequence.CodeValue"): "113000",
    }
    assert identifier.wanted == {
        path_of("PatientName")[0]: None,
        path_of("StudyDate")[0]: None,
        path_of("StudyInstanceUID")[0]: None,
        path_of("ModalitiesInStudy")[0]: None,
        path_of("ConceptNameCodeSequence")[0]: {
            path_of("CodeValue")[0]: None,
            path_of("CodeMeaning")[0]: None,
        },
        path_of("ReferencedRequestSequence")[0]: None,
        path_of("RequestAttributesSequence")[0]: None,
    }


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "山田^太郎"),
        ("GB18030", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_text_is_read_in_the_character_set_of_the_request(terms: Any, name: str) -> None:
    asked = request("STUDY", SpecificCharacterSet=terms, PatientName=name)
    identifier = read_identifier(encoded(asked, IMPLICIT_VR_LITTLE_ENDIAN), IMPLICIT_VR_LITTLE_ENDIAN)
    assert identifier.keys == {path_of("PatientName"): name}
    assert identifier.character_set == ((terms,) if isinstance(terms, str) else tuple(terms))


def many(keyword: str, count: int, value: str) -> Dataset:
    return request("STUDY", **{keyword: [value] * count})


def nested(depth: int) -> Dataset:
    inner: dict[str, Any] = {"CodeValue": "1"}
    for _ in range(depth):
        inner = {"ContentSequence": [inner]}
    return request("IMAGE", **inner)


@pytest.mark.parametrize(
    ("asked", "status", "offending", "words"),
    [
        (Dataset(), Refusal.DOES_NOT_MATCH_SOP_CLASS, 0x00080052, "missing"),
        (request(""), Refusal.DOES_NOT_MATCH_SOP_CLASS, 0x00080052, "missing"),
        (request("FRAME"), Refusal.DOES_NOT_MATCH_SOP_CLASS, 0x00080052, "'FRAME'"),
        (
            request("IMAGE", ConceptNameCodeSequence=[{"CodeValue": "1"}, {"CodeValue": "2"}]),
            Refusal.DOES_NOT_MATCH_SOP_CLASS,
            0x0040A043,
            "2 items",
        ),
        (many("StudyInstanceUID", 10_001, "1.2"), Refusal.OUT_OF_RESOURCES, 0x0020000D, "several"),
        (many("Modality", 201, "CT"), Refusal.OUT_OF_RESOURCES, 0x00080060, "several"),
        (nested(9), Refusal.OUT_OF_RESOURCES, 0x0040A730, "deeper"),
    ],
)
def test_what_cannot_be_answered_is_refused(asked: Dataset, status: int, offending: int, words: str) -> None:
    with pytest.raises(IdentifierError) as refused:
        read_identifier(encoded(asked, IMPLICIT_VR_LITTLE_ENDIAN), IMPLICIT_VR_LITTLE_ENDIAN)
    assert refused.value.status is status
    assert refused.value.offending == (offending,)
    assert words in str(refused.value)
    assert refused.value.comment.isascii() and len(refused.value.comment) <= 64


def test_bytes_that_are_no_data_set_are_refused() -> None:
    whole = encoded(request("STUDY", PatientName="Doe"), EXPLICIT_VR_LITTLE_ENDIAN)
    for broken in (whole[:-3], b"\xff" * 20):
        with pytest.raises(IdentifierError) as refused:
            read_identifier(broken, EXPLICIT_VR_LITTLE_ENDIAN)
        assert refused.value.status is Refusal.UNABLE_TO_PROCESS


def test_what_inflates_beyond_measure_is_refused() -> None:
    deflater = zlib.compressobj(wbits=-15)
    bomb = deflater.compress(bytes(64 * 1024 * 1024)) + deflater.flush()
    with pytest.raises(IdentifierError):
        read_identifier(bomb, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)


_SEED = request(
    "IMAGE",
    SpecificCharacterSet=["", "ISO 2022 IR 87"],
    PatientName="Yamada=山田",
    StudyInstanceUID="1.2",
    Rows=3,
    ConceptNameCodeSequence=[{"CodeValue": "113000"}],
)


@pytest.mark.soak
@settings(max_examples=SCALE.property_examples, deadline=None)
@given(
    syntax=st.sampled_from(SYNTAXES),
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=6)), max_size=6),
    cut=st.integers(0, 40),
    noise=st.none() | st.binary(max_size=200),
)
def test_whatever_comes_only_the_one_error_goes(
    syntax: str, edits: list[tuple[int, bytes]], cut: int, noise: bytes | None
) -> None:
    data = bytearray(encoded(_SEED, syntax) if noise is None else noise)
    for place, other in edits:
        at = place % (len(data) + 1)
        data[at : at + len(other)] = other
    try:
        identifier = read_identifier(bytes(data[: len(data) - cut]), syntax)
    except IdentifierError as error:
        assert error.status in Refusal
        assert error.comment.isascii()
    else:
        assert isinstance(identifier.level, QueryLevel)
        assert all(isinstance(value, str) and value.strip() for value in identifier.keys.values())
