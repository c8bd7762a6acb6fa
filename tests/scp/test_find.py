"""C-FIND without its association: requests and answers as pydicom writes and reads them."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from kinote.catalog.queries import matching
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse.information_models import (
    MODEL_OF,
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    InformationModel,
)
from kinote.dimse.statuses import PENDING, PENDING_WITH_WARNING
from kinote.scp.queries.find import Answers, find
from kinote.scp.queries.identifier_error import IdentifierError, Refusal
from kinote.scp.queries.query_options import QueryOptions, granted, options_of
from tests.catalog.archive import KOS, MR, data_set, store
from tests.scp.requests import SYNTAXES, decoded, encoded, request

RELATIONAL = QueryOptions(relational=True)
CODE = {"CodeValue": "113000", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Of Interest"}


@pytest.fixture
def archive(catalog: Catalog) -> Catalog:
    """A study with images and a key object, one in Japanese, one in French; and one that is withdrawn."""
    first = {"PatientID": "P1", "PatientName": "Doe^Jane", "StudyDate": "20240105", "StudyTime": "101530"}
    store(
        catalog,
        *(
            data_set("1.1", "1.1.1", f"1.1.1.{n}", InstanceNumber=n, Rows=512, SliceThickness="1.25", **first)
            for n in (1, 2)
        ),
        data_set(
            "1.1",
            "1.1.2",
            "1.1.2.1",
            SOPClassUID=KOS,
            Modality="KO",
            ConceptNameCodeSequence=[CODE],
            ReferencedRequestSequence=[{"AccessionNumber": "A1", "RequestedProcedureID": "RP1"}],
            **first,
        ),
        data_set(
            "1.2",
            "1.2.1",
            "1.2.1.1",
            PatientID="P2",
            PatientName="Yamada^Tarou=山田^太郎",
            StudyDate="20240210",
            Modality="MR",
            SOPClassUID=MR,
        ),
        data_set("1.3", "1.3.1", "1.3.1.1", PatientID="P3", PatientName="Müller^Zoë", StudyDate="20231224"),
    )
    store(catalog, data_set("1.4", "1.4.1", "1.4.1.1", PatientID="P1"), standing="withdrawn")
    return catalog


def ask(
    catalog: Catalog,
    asked: Dataset,
    *,
    model: InformationModel = STUDY_ROOT,
    options: QueryOptions = RELATIONAL,
    syntax: str = IMPLICIT_VR_LITTLE_ENDIAN,
) -> Answers:
    return find(
        catalog,
        encoded(asked, syntax),
        transfer_syntax_uid=syntax,
        model=model,
        options=options,
        retrieve_ae_title="KINOTE",
    )


def answers(catalog: Catalog, asked: Dataset, **how: Any) -> list[Dataset]:
    syntax = how.get("syntax", IMPLICIT_VR_LITTLE_ENDIAN)
    return [decoded(each, syntax) for each in ask(catalog, asked, **how).identifiers]


@pytest.mark.parametrize(
    ("level", "keys", "unique", "expected"),
    [
        ("STUDY", {}, "StudyInstanceUID", ["1.2", "1.1", "1.3"]),
        ("STUDY", {"PatientName": "*"}, "StudyInstanceUID", ["1.2", "1.1", "1.3"]),
        ("STUDY", {"PatientName": "doe*"}, "StudyInstanceUID", ["1.1"]),
        ("STUDY", {"PatientName": "D?e^J*"}, "StudyInstanceUID", ["1.1"]),
        ("STUDY", {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Mü*"}, "StudyInstanceUID", ["1.3"]),
        (
            "STUDY",
            {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "山田*"},
            "StudyInstanceUID",
            ["1.2"],
        ),
        (
            "STUDY",
            {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "=山田*"},
            "StudyInstanceUID",
            ["1.2"],
        ),
        ("STUDY", {"StudyDate": "20240101-"}, "StudyInstanceUID", ["1.2", "1.1"]),
        ("STUDY", {"StudyDate": "-20231231"}, "StudyInstanceUID", ["1.3"]),
        ("STUDY", {"StudyDate": "20240105-20240105"}, "StudyInstanceUID", ["1.1"]),
        ("STUDY", {"StudyDate": "20240105", "StudyTime": "10-11"}, "StudyInstanceUID", ["1.1"]),
        ("STUDY", {"StudyInstanceUID": ["1.1", "1.3", "1.4"]}, "StudyInstanceUID", ["1.1", "1.3"]),
        ("STUDY", {"ModalitiesInStudy": ["KO", "MR"]}, "StudyInstanceUID", ["1.2", "1.1"]),
        ("STUDY", {"PatientID": "P1"}, "StudyInstanceUID", ["1.1"]),
        ("SERIES", {"StudyInstanceUID": "1.1"}, "SeriesInstanceUID", ["1.1.1", "1.1.2"]),
        ("SERIES", {"StudyInstanceUID": "1.1", "Modality": "KO"}, "SeriesInstanceUID", ["1.1.2"]),
        ("IMAGE", {"SeriesInstanceUID": "1.1.1"}, "SOPInstanceUID", ["1.1.1.1", "1.1.1.2"]),
        ("IMAGE", {"SOPInstanceUID": ["1.1.1.2", "1.1.2.1"]}, "SOPInstanceUID", ["1.1.1.2", "1.1.2.1"]),
        ("IMAGE", {"InstanceNumber": "2"}, "SOPInstanceUID", ["1.1.1.2"]),
        ("IMAGE", {"ConceptNameCodeSequence": [{"CodeValue": "113000"}]}, "SOPInstanceUID", ["1.1.2.1"]),
        ("IMAGE", {"ConceptNameCodeSequence": [{"CodeValue": "113001"}]}, "SOPInstanceUID", []),
        ("IMAGE", {"SOPInstanceUID": "1.4.1.1"}, "SOPInstanceUID", []),
    ],
)
def test_matches(
    archive: Catalog, level: str, keys: dict[str, Any], unique: str, expected: list[str]
) -> None:
    found = answers(archive, request(level, **{unique: "", **keys}))
    assert sorted(each[unique].value for each in found) == sorted(expected)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_answer_holds_what_was_asked_and_what_is_said_of_every_match(
    archive: Catalog, syntax: str
) -> None:
    asked = request(
        "STUDY",
        StudyInstanceUID="1.1",
        PatientName="",
        StudyTime="",
        AccessionNumber="",
        ModalitiesInStudy="",
        SOPClassesInStudy="",
        NumberOfStudyRelatedSeries=None,
        NumberOfStudyRelatedInstances=None,
    )
    (found,) = answers(archive, asked, syntax=syntax)
    assert {each.keyword: each.value for each in found} == {
        "QueryRetrieveLevel": "STUDY",
        "RetrieveAETitle": "KINOTE",
        "InstanceAvailability": "ONLINE",
        "StudyInstanceUID": "1.1",
        "PatientName": "Doe^Jane",
        "StudyTime": "101530",
        "AccessionNumber": "",
        "ModalitiesInStudy": ["CT", "KO"],
        "SOPClassesInStudy": ["1.2.840.10008.5.1.4.1.1.2", KOS],
        "NumberOfStudyRelatedSeries": 2,
        "NumberOfStudyRelatedInstances": 3,
    }
    assert [each.tag for each in found] == sorted(each.tag for each in found)


def test_of_an_instance_the_whole_header_can_be_asked_for(archive: Catalog) -> None:
    asked = request("IMAGE", SOPInstanceUID="1.1.1.1", Rows=None, SliceThickness="", PatientID="", KVP="")
    (found,) = answers(archive, asked, syntax=EXPLICIT_VR_LITTLE_ENDIAN)
    assert (found.Rows, found.SliceThickness, found.PatientID, found.KVP) == (512, 1.25, "P1", None)


def test_sequences_come_with_their_items_as_far_as_they_were_asked_for(archive: Catalog) -> None:
    asked = request(
        "IMAGE",
        SOPInstanceUID="1.1.2.1",
        ConceptNameCodeSequence=[],
        ReferencedRequestSequence=[
            {"RequestedProcedureID": "", "PlacerOrderNumberImagingServiceRequest": ""}
        ],
        IdenticalDocumentsSequence=[],
    )
    (found,) = answers(archive, asked)
    (concept,) = found.ConceptNameCodeSequence
    assert {each.keyword: each.value for each in concept} == CODE
    (item,) = found.ReferencedRequestSequence
    assert {each.keyword: each.value for each in item} == {
        "RequestedProcedureID": "RP1",
        "PlacerOrderNumberImagingServiceRequest": "",
    }
    assert len(found.IdenticalDocumentsSequence) == 0


@pytest.mark.parametrize(
    ("asked_in", "patient", "answered_in"),
    [
        (None, "P1", None),
        ("ISO_IR 100", "P1", None),
        (None, "P3", "ISO_IR 192"),
        ("ISO_IR 100", "P3", "ISO_IR 100"),
        ("ISO_IR 100", "P2", "ISO_IR 192"),
        ("GB18030", "P2", "GB18030"),
        ("ISO_IR 13", "P2", "ISO_IR 192"),
        (["", "ISO 2022 IR 87"], "P2", "ISO_IR 192"),
    ],
)
def test_the_character_set_of_an_answer(
    archive: Catalog, asked_in: Any, patient: str, answered_in: str | None
) -> None:
    asked = request("STUDY", PatientID=patient, PatientName="")
    if asked_in:
        asked.SpecificCharacterSet = asked_in
    (found,) = answers(archive, asked)
    assert found.get("SpecificCharacterSet") == answered_in
    names = {"P1": "Doe^Jane", "P2": "Yamada^Tarou=山田^太郎", "P3": "Müller^Zoë"}
    assert str(found.PatientName) == names[patient]


def test_patients(archive: Catalog) -> None:
    asked = request(
        "PATIENT", PatientID="", PatientName="D*", NumberOfPatientRelatedStudies=None, PatientSex=""
    )
    (found,) = answers(archive, asked, model=PATIENT_ROOT, options=QueryOptions())
    assert {each.keyword: each.value for each in found} == {
        "QueryRetrieveLevel": "PATIENT",
        "RetrieveAETitle": "KINOTE",
        "PatientID": "P1",
        "PatientName": "Doe^Jane",
        "PatientSex": "",
        "NumberOfPatientRelatedStudies": 1,
    }


@pytest.mark.parametrize(
    ("asked", "status", "left_out"),
    [
        (request("STUDY", StudyInstanceUID="1.1", PatientName=""), PENDING, []),
        (request("STUDY", StudyInstanceUID="1.1", PatientAge=""), PENDING_WITH_WARNING, ["PatientAge"]),
        (request("SERIES", StudyInstanceUID="1.1", Manufacturer="Acme"), PENDING_WITH_WARNING, []),
        (request("IMAGE", SOPInstanceUID="1.1.1.1", SliceThickness=""), PENDING, []),
        (
            request("IMAGE", SOPInstanceUID="1.1.1.1", ModalitiesInStudy=""),
            PENDING_WITH_WARNING,
            ["ModalitiesInStudy"],
        ),
    ],
)
def test_keys_that_are_not_supported_are_left_out_with_a_warning(
    archive: Catalog, asked: Dataset, status: int, left_out: list[str]
) -> None:
    found = ask(archive, asked)
    assert found.status == status
    for each in found.identifiers:
        told = decoded(each, IMPLICIT_VR_LITTLE_ENDIAN)
        assert [element.keyword for element in asked if element.tag not in told] == left_out


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (PATIENT_ROOT, request("STUDY", PatientID="P1")),
        (PATIENT_ROOT, request("STUDY", StudyInstanceUID="1.1")),
        (PATIENT_ROOT, request("SERIES", StudyInstanceUID="1.1")),
        (PATIENT_ROOT, request("IMAGE", SeriesInstanceUID="1.1.1")),
        (STUDY_ROOT, request("STUDY")),
        (STUDY_ROOT, request("SERIES", StudyInstanceUID=["1.1", "1.2"])),
        (STUDY_ROOT, request("IMAGE", SOPInstanceUID="1.1.1.1")),
        (PATIENT_STUDY_ONLY, request("STUDY", PatientID="P*")),
        (PATIENT_ROOT, request("STUDY", PatientID="", StudyDate="20240105")),
        (STUDY_ROOT, request("IMAGE", ConceptNameCodeSequence=[{"CodeValue": "113000"}])),
    ],
)
def test_what_says_whose_it_is_needs_no_more(
    archive: Catalog, model: InformationModel, asked: Dataset
) -> None:
    assert answers(archive, asked, model=model, options=QueryOptions())


@pytest.mark.parametrize(
    ("model", "asked", "offending", "options"),
    [
        (STUDY_ROOT, request("PATIENT"), "QueryRetrieveLevel", RELATIONAL),
        (PATIENT_STUDY_ONLY, request("SERIES", StudyInstanceUID="1.1"), "QueryRetrieveLevel", RELATIONAL),
        (PATIENT_ROOT, request("STUDY", PatientID="", StudyDate=""), "PatientID", QueryOptions()),
        (PATIENT_ROOT, request("SERIES", PatientID="P1"), "StudyInstanceUID", QueryOptions()),
        (STUDY_ROOT, request("SERIES", StudyInstanceUID=""), "StudyInstanceUID", QueryOptions()),
        (STUDY_ROOT, request("IMAGE", StudyInstanceUID="1.1"), "SeriesInstanceUID", QueryOptions()),
        (STUDY_ROOT, request("STUDY", StudyDate="20241301"), "StudyDate", RELATIONAL),
    ],
)
def test_what_does_not_fit_the_model_is_refused(
    archive: Catalog, model: InformationModel, asked: Dataset, offending: str, options: QueryOptions
) -> None:
    with pytest.raises(IdentifierError) as refused:
        answers(archive, asked, model=model, options=options)
    assert refused.value.status is Refusal.DOES_NOT_MATCH_SOP_CLASS
    assert refused.value.offending == (tag_for_keyword(offending),)


def test_relational_queries_need_no_keys_above(archive: Catalog) -> None:
    found = answers(archive, request("IMAGE", PatientID="P1", SOPInstanceUID=""), model=PATIENT_ROOT)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("offered", "answer", "options"),
    [
        (b"", b"", QueryOptions()),
        (b"\1", b"\1", QueryOptions(relational=True)),
        (b"\0\1\1", b"\0\1\1", QueryOptions(combined=True, fuzzy=True)),
        (b"\1\1\1\1", b"\1\1\1\1", QueryOptions(relational=True, combined=True, fuzzy=True)),
        (b"\1\0\0\1\1\1\1\1\1", b"\1\0\0\1\0\1\1", QueryOptions(relational=True)),
        (b"\2", b"\0", QueryOptions()),
    ],
)
def test_extended_negotiation(offered: bytes, answer: bytes, options: QueryOptions) -> None:
    assert granted(offered) == answer
    assert options_of(offered) == options


def test_the_longest_list_is_answered(archive: Catalog) -> None:
    uids = ["1.1", *(f"2.{number}" for number in range(9_999))]
    (found,) = answers(archive, request("STUDY", StudyInstanceUID=uids))
    assert found.StudyInstanceUID == "1.1"


def test_what_was_negotiated_is_done(archive: Catalog) -> None:
    words = request("STUDY", PatientName="Jane")
    assert not answers(archive, words)
    assert len(answers(archive, words, options=options_of(b"\1\1\1\1"))) == 1
    together = request("STUDY", StudyDate="20240104-20240106", StudyTime="12-09")
    with pytest.raises(IdentifierError, match="over midnight"):
        answers(archive, together)
    assert len(answers(archive, together, options=options_of(b"\1\1\1\1"))) == 1


def test_the_answers_come_from_one_state_and_give_the_connection_back(
    archive: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "PAGE", 1)
    found = ask(archive, request("STUDY", StudyInstanceUID="")).identifiers
    next(found)
    store(archive, data_set("1.9", "1.9.1", "1.9.1.1"))
    assert len([*found]) == 2
    # More often than there are connections.
    for _ in range(20):
        begun = ask(archive, request("STUDY", StudyInstanceUID="")).identifiers
        next(begun)
        begun.close()


def test_models_are_found_by_the_classes_of_their_services() -> None:
    assert MODEL_OF["1.2.840.10008.5.1.4.1.2.1.1"] is PATIENT_ROOT
    assert MODEL_OF["1.2.840.10008.5.1.4.1.2.2.3"] is STUDY_ROOT
    assert len(MODEL_OF) == 9
