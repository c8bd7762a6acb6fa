"""What the writer puts into the bytes, rule by rule of the producer's checklist."""

from __future__ import annotations

import io

import pydicom
from pydicom.dataset import Dataset

from kinote.keyobject.codes import Code
from kinote.keyobject.model import (
    Device,
    KeyObjectDocument,
    KeyObjectSelection,
    Person,
    Reference,
    RequestReference,
)
from kinote.keyobject.titles import OF_INTEREST
from kinote.keyobject.writer import encode_file
from tests.keyobject.documents import GSPS, ULTRASOUND, VALUE_MAP, copies, document, instance, plain_context


def written(document: KeyObjectDocument) -> Dataset:
    return pydicom.dcmread(io.BytesIO(encode_file(document)))


def full() -> Dataset:
    """A note over two studies with everything there can be."""
    references = (
        Reference(
            instance(1, ULTRASOUND),
            frames=(3, 7),
            presentation_state=instance(8, GSPS),
            real_world_value_maps=(instance(9, VALUE_MAP),),
        ),
        Reference(instance(2, study="1.2.7")),
        Reference(instance(1, ULTRASOUND), frames=(12,)),
    )
    selection = KeyObjectSelection(
        OF_INTEREST,
        references,
        modifiers=(Code("a-code-of-more-than-sixteen", "99X", "long"), Code("urn:oid:1.2.3", "99X", "urn")),
        description="左上葉の結節影",
        language="ja-JP",
        observers=(Person("Yamada^Tarou=山田^太郎", "taro"), Device("1.2.9", "workstation")),
    )
    context = plain_context(
        requests=(RequestReference("1.2.3", "A1"),), identical_documents=copies("1.2.7"), study_date=""
    )
    return written(KeyObjectDocument(context, selection))


def test_the_description_comes_first_and_references_keep_their_order() -> None:
    items = full().ContentSequence
    assert items[0].TextValue == "左上葉の結節影"
    flagged = [item for item in items if "ReferencedSOPSequence" in item]
    uids = [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in flagged]
    assert uids == ["1.2.3.4.1", "1.2.7.4.2", "1.2.3.4.1"]
    # No purpose of reference (TID 2010 rows 8 to 10).
    assert not any("ConceptNameCodeSequence" in item for item in flagged)


def test_everything_named_is_in_the_evidence_once_and_without_frames() -> None:
    evidence = full().CurrentRequestedProcedureEvidenceSequence
    listed = {
        study.StudyInstanceUID: [
            reference.ReferencedSOPInstanceUID
            for series in study.ReferencedSeriesSequence
            for reference in series.ReferencedSOPSequence
        ]
        for study in evidence
    }
    assert listed == {"1.2.3": ["1.2.3.4.1", "1.2.3.4.8", "1.2.3.4.9"], "1.2.7": ["1.2.7.4.2"]}
    assert "ReferencedFrameNumber" not in evidence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]


def test_what_applies_to_a_reference_is_nested_in_it() -> None:
    referenced = full().ContentSequence[-3].ReferencedSOPSequence[0]
    assert list(referenced.ReferencedFrameNumber) == [3, 7]
    assert referenced.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.8"
    maps = referenced.ReferencedRealWorldValueMappingInstanceSequence
    assert maps[0].ReferencedSOPInstanceUID == "1.2.3.4.9"


def test_long_codes_and_urns_have_their_own_attributes() -> None:
    values = [item.ConceptCodeSequence[0] for item in full().ContentSequence if item.ValueType == "CODE"]
    assert values[0].LongCodeValue == "a-code-of-more-than-sixteen"
    assert "CodeValue" not in values[0]
    assert values[1].URNCodeValue == "urn:oid:1.2.3"


def test_language_is_a_tag_and_never_a_country() -> None:
    codes = [item for item in full().ContentSequence if item.ValueType == "CODE"]
    language = codes[2].ConceptCodeSequence[0]
    assert (language.CodeValue, language.CodingSchemeDesignator) == ("ja-JP", "RFC5646")
    assert language.CodeMeaning == "Japanese (JP)"
    assert "121046" not in [item.ConceptNameCodeSequence[0].CodeValue for item in codes]


def test_the_envelope() -> None:
    dataset = full()
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert dataset.TimezoneOffsetFromUTC == "+0100"
    assert (dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber) == ("KO", 1, 1)
    assert len(dataset.ReferencedPerformedProcedureStepSequence) == 0
    assert dataset.StudyDate == ""
    template = dataset.ContentTemplateSequence[0]
    assert (template.MappingResource, template.TemplateIdentifier) == ("DCMR", "2010")
    assert dataset.IdenticalDocumentsSequence[0].StudyInstanceUID == "1.2.7"
    request = dataset.ReferencedRequestSequence[0]
    assert (request.StudyInstanceUID, request.AccessionNumber) == ("1.2.3", "A1")
    assert len(request.ReferencedStudySequence) == 0
    tags = [int(element.tag) for element in dataset]
    assert tags == sorted(tags)


def test_what_has_no_value_and_need_not_be_there_is_left_out() -> None:
    dataset = written(document(description=""))
    for name in ("ReferencedRequestSequence", "IdenticalDocumentsSequence", "InstitutionName"):
        assert name not in dataset
    assert [item.ValueType for item in dataset.ContentSequence] == ["IMAGE"]
