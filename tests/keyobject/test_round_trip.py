"""Any document that can be made is read back as it was, and its bytes depend on nothing else."""

from __future__ import annotations

import io

import pydicom
from hypothesis import given, settings

from kinote.keyobject.model import KeyObjectDocument
from kinote.keyobject.reader import read
from kinote.keyobject.writer import encode, encode_file
from tests.keyobject.documents import documents

EXPLICIT = "1.2.840.10008.1.2.1"


@settings(max_examples=200, deadline=None)
@given(documents())
def test_what_is_written_is_read(document: KeyObjectDocument) -> None:
    reading = read(encode(document), EXPLICIT)
    selection, context = document.selection, document.context
    assert reading.registration == "registered", reading.findings
    assert reading.title == selection.title
    assert reading.title.meaning == selection.title.meaning
    assert reading.modifiers == selection.modifiers
    assert reading.description == selection.description
    assert reading.language == selection.language
    assert reading.observers == selection.observers
    assert reading.identical_documents == context.identical_documents
    assert reading.requests == context.requests
    assert (reading.patient_id, reading.timezone) == (context.patient_id, context.timezone)
    assert (reading.content_date, reading.content_time) == (context.content_date, context.content_time)
    assert len(reading.references) == len(selection.references)
    for ours, theirs in zip(selection.references, reading.references, strict=True):
        assert theirs.sop_instance_uid == ours.instance.sop_instance_uid
        assert theirs.sop_class_uid == ours.instance.sop_class_uid
        assert theirs.study_instance_uid == ours.instance.study_instance_uid
        assert theirs.series_instance_uid == ours.instance.series_instance_uid
        assert (theirs.frames, theirs.segments) == (ours.frames, ours.segments)
        assert theirs.waveform_channels == ours.waveform_channels
        state = ours.presentation_state
        assert theirs.presentation_state_uid == (state.sop_instance_uid if state else "")


@settings(max_examples=50, deadline=None)
@given(documents())
def test_law_11_the_same_document_gives_the_same_bytes(document: KeyObjectDocument) -> None:
    assert encode(document) == encode(document)


@settings(max_examples=100, deadline=None)
@given(documents())
def test_pydicom_reads_and_writes_the_same_bytes(document: KeyObjectDocument) -> None:
    dataset = pydicom.dcmread(io.BytesIO(encode_file(document)))
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False)
    assert buffer.getvalue().endswith(encode(document))
    uids = [
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in dataset.ContentSequence
        if item.ValueType in ("IMAGE", "COMPOSITE", "WAVEFORM")
    ]
    assert uids == [reference.instance.sop_instance_uid for reference in document.selection.references]
