"""Variants of what is referenced: content, evidence, studies, identical documents."""

from __future__ import annotations

from kinote.keyobject.model import Reference
from kinote.keyobject.writer import encode
from tests.keyobject.documents import ECG, GSPS, KEY_OBJECT, SEGMENTATION, ULTRASOUND, instance
from tests.keyobject.variants.changes import (
    EVIDENCE,
    all_of,
    code,
    content,
    having,
    identical,
    images,
    in_first,
    lacking,
    listed,
    nested,
    presented,
    referencing,
    second_study,
    series,
    sop,
    split_evidence,
    twice_in_evidence,
    without,
)
from tests.keyobject.variants.variant import SOP, STUDY, document, variant

_LONG_UID = f"{STUDY}.{'1' * 70}"


def _segments() -> bytes:
    return encode(document(Reference(instance(3, SEGMENTATION, study=STUDY), segments=(1, 2))))


ROWS = (
    variant("V01", without("ContentSequence"), "CONTENT_REFS_MISSING"),
    variant("V02", content(lambda d: []), "CONTENT_REFS_MISSING"),
    variant("V03", content(lambda d: [d.ContentSequence[0]]), "CONTENT_REFS_MISSING"),
    variant("V04", without(EVIDENCE), "EVIDENCE_MISSING"),
    variant("V05", having(**{EVIDENCE: []}), "EVIDENCE_MISSING"),
    variant("V06", lambda d: series(d).ReferencedSOPSequence.pop(1), "REF_NOT_IN_EVIDENCE"),
    variant("V07", content(lambda d: d.ContentSequence[:2]), "EVIDENCE_EXTRA", references=1),
    variant(
        "V08",
        all_of(without("ContentSequence"), without(EVIDENCE)),
        "EVIDENCE_MISSING",
        "NO_REFERENCES",
        references=0,
    ),
    variant(
        "V24",
        in_first(lambda d: sop(d, 1), ReferencedFrameNumber=[0, 3]),
        "FRAMES_INVALID",
        frames=((), (3,)),
    ),
    variant("V25", in_first(sop, ReferencedFrameNumber=1), "FRAMES_ON_SINGLE_FRAME", frames=((), (3, 7))),
    variant(
        "V27",
        all_of(in_first(lambda d: listed(d, 1), ReferencedFrameNumber=[3, 7]), content(lambda d: [])),
        "CONTENT_REFS_MISSING",
        "FRAMES_IN_EVIDENCE",
        frames=((), (3, 7)),
    ),
    variant(
        "evidence with bad frames",
        all_of(in_first(lambda d: listed(d, 1), ReferencedFrameNumber=[0, 7, 7]), content(lambda d: [])),
        "CONTENT_REFS_MISSING",
        "FRAMES_IN_EVIDENCE",
        "FRAMES_INVALID",
    ),
    variant(
        "evidence with frames of single frame images",
        all_of(in_first(listed, ReferencedFrameNumber=[3]), content(lambda d: [])),
        "CONTENT_REFS_MISSING",
        "FRAMES_IN_EVIDENCE",
        "FRAMES_ON_SINGLE_FRAME",
    ),
    variant("presentation state not in evidence", presented, "REF_NOT_IN_EVIDENCE"),
    variant("V28", in_first(sop, ReferencedSOPClassUID=ULTRASOUND), "REF_CLASS_MISMATCH"),
    variant("V29", lacking(sop, "ReferencedSOPClassUID"), "REF_CLASS_MISSING"),
    variant("V30", in_first(sop, ReferencedSOPInstanceUID=""), "REF_BROKEN", "EVIDENCE_EXTRA", references=1),
    variant(
        "V30 all",
        all_of(
            in_first(sop, ReferencedSOPInstanceUID=""),
            in_first(lambda d: sop(d, 1), ReferencedSOPInstanceUID="x"),
            without(EVIDENCE),
        ),
        "REF_BROKEN",
        "EVIDENCE_MISSING",
        "ALL_REFERENCES_BROKEN",
        references=0,
    ),
    variant(
        "V31 letters",
        in_first(sop, ReferencedSOPInstanceUID=f"{STUDY}.abc"),
        "REF_BROKEN",
        "EVIDENCE_EXTRA",
        references=1,
    ),
    variant(
        "V31 leading zero",
        all_of(
            in_first(sop, ReferencedSOPInstanceUID=f"{STUDY}.03"),
            in_first(listed, ReferencedSOPInstanceUID=f"{STUDY}.03"),
        ),
        "REF_UID_MALFORMED",
    ),
    variant(
        "V31 longer than 64",
        all_of(
            in_first(sop, ReferencedSOPInstanceUID=_LONG_UID),
            in_first(listed, ReferencedSOPInstanceUID=_LONG_UID),
        ),
        "REF_UID_MALFORMED",
    ),
    variant(
        "V33",
        in_first(lambda d: d.CurrentRequestedProcedureEvidenceSequence[0], StudyInstanceUID=""),
        "REF_STUDY_MISSING",
    ),
    variant("V35", second_study, "NO_IDENTICAL_DOCUMENTS"),
    variant("V51", referencing(KEY_OBJECT, "COMPOSITE")),
    variant("V52", referencing(GSPS, "IMAGE"), "PRESENTATION_AS_IMAGE"),
    variant(
        "V53",
        lambda d: setattr(sop(d), "ReferencedSOPInstanceUID", d.SOPInstanceUID),
        "REF_SELF",
        "REF_NOT_IN_EVIDENCE",
        "EVIDENCE_EXTRA",
        statuses=("resolved", "pending"),
    ),
    variant("V63", content(lambda d: [*d.ContentSequence, images(d)[0]]), "REF_DUPLICATE"),
    variant("V65", referencing(ECG, "WAVEFORM", ReferencedWaveformChannels=[1, 2])),
    variant("V66", in_first(lambda d: images(d)[0], ValueType="COMPOSITE"), infos=("COMPOSITE_FOR_IMAGE",)),
    variant(
        "V67",
        in_first(lambda d: images(d)[0], ConceptNameCodeSequence=[code("260753009", "SCT", "Source")]),
        infos=("PURPOSE_OF_REFERENCE",),
    ),
    variant("V70", nested(1), "REFS_IN_IMAGE_LIBRARY"),
    variant("V84", split_evidence, "EVIDENCE_SPLIT"),
    variant("V85", twice_in_evidence, "REF_SEVERAL_SERIES"),
    variant("V86", written=_segments, references=1),
    variant("V87", referencing(f"{STUDY}.99999", "COMPOSITE")),
    variant("V87 as image", referencing(f"{STUDY}.99999", "IMAGE")),
    variant(
        "V97 incomplete",
        all_of(second_study, identical(f"{STUDY}.77", f"{STUDY}.77.1")),
        "IDENTICAL_INCOMPLETE",
    ),
    variant("V97 self", identical(STUDY, SOP), "IDENTICAL_LISTS_SELF"),
    variant("V99", in_first(listed, RetrieveAETitle="ARCHIVE"), infos=("RETRIEVAL_DETAILS",)),
    variant(
        "V100",
        in_first(series, RetrieveURL="http://169.254.169.254/latest"),
        infos=("RETRIEVAL_DETAILS",),
    ),
)
