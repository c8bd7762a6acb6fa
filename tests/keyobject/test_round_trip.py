"""Any document that can be made is read back as it was, and its bytes depend on nothing else."""

from __future__ import annotations

import dataclasses
import io

import pydicom
from hypothesis import given, settings

from kinote.keyobject.check import check
from kinote.keyobject.model import KeyObjectDocument
from kinote.keyobject.reader import read
from kinote.keyobject.rebuilding import document_of
from kinote.keyobject.writer import encode, encode_file
from tests.keyobject.documents import EXPLICIT, document, documents, plain_context


@settings(max_examples=50, deadline=None)
@given(documents())
def test_what_is_written_is_read(document: KeyObjectDocument) -> None:
    reading = read(encode(document), EXPLICIT)
    assert reading.registration == "registered", reading.findings
    assert not [finding for finding in reading.findings if finding.severity != "info"]
    assert reading.references_from == "content"
    assert reading.distinct_references == reading.references
    # As dictionaries, since codes are equal whatever their meaning.
    assert dataclasses.asdict(document_of(reading)) == dataclasses.asdict(document)


@settings(max_examples=50, deadline=None)
@given(documents())
def test_law_11_what_is_read_is_written_to_the_same_bytes(document: KeyObjectDocument) -> None:
    once = encode(document)
    assert encode(document) == once
    assert encode(document_of(read(once, EXPLICIT))) == once


@settings(max_examples=25, deadline=None)
@given(documents())
def test_what_is_written_passes_the_check(document: KeyObjectDocument) -> None:
    findings = check(encode(document), EXPLICIT).findings
    assert {finding.code for finding in findings} <= {"OWN_STUDY_NOT_REFERENCED", "DATED_BEFORE_STUDY"}


@settings(max_examples=25, deadline=None)
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


def test_dates_and_times_that_are_none_are_copied_byte_by_byte() -> None:
    """A study's time of bytes that no character set has a say in: copied again and again they stay as they were."""
    received = b"\xfe\xff 10 Uhr\xe9 "
    plain = encode(KeyObjectDocument(plain_context(study_time="X" * len(received)), document().selection))
    first = document_of(read(plain.replace(b"X" * len(received), received), EXPLICIT))
    assert received.strip() in encode(first)
    assert document_of(read(encode(first), EXPLICIT)) == first
    beyond = KeyObjectDocument(plain_context(study_time="\u5348\u524d"), document().selection)
    assert "\u5348\u524d".encode() in encode(beyond)
