"""What the object creator tells the index of a document is what intake would find in its bytes."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import asdict

from hypothesis import example, given, settings

from kinote.catalog.entry import entry_of
from kinote.dicom.dataset import scan
from kinote.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.keyobject import writer
from kinote.keyobject.model import KeyObjectDocument
from kinote.notes.made_entry import MADE_HERE, made_entry
from kinote.notes.made_from import made_from, made_from_text
from tests.keyobject.documents import document, documents
from tests.notes.ward import NOW


@settings(deadline=None)
@given(written=documents())
@example(written=document())
def test_an_entry_is_what_intake_would_make(written: KeyObjectDocument) -> None:
    dataset = writer.encode(written)
    entry = made_entry(written, dataset, NOW)
    found = entry_of(
        scan(dataset, EXPLICIT_VR_LITTLE_ENDIAN),
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        digest=hashlib.sha256(dataset).hexdigest(),
        size=len(dataset),
        received_from=MADE_HERE,
        now=NOW,
    )
    assert entry.metadata is not None
    assert found.metadata is not None
    assert zlib.decompress(entry.metadata) == zlib.decompress(found.metadata)
    assert entry.series_row == found.series_row
    assert entry.instance_row == found.instance_row
    for name in (
        "study_instance_uid",
        "series_instance_uid",
        "sop_instance_uid",
        "sop_class_uid",
        "transfer_syntax_uid",
        "digest",
        "patient_id",
        "issuer_of_patient_id",
    ):
        assert getattr(entry, name) == getattr(found, name)


@settings(deadline=None, max_examples=30)
@given(written=documents())
def test_law_11_an_envelope_is_kept_whole(written: KeyObjectDocument) -> None:
    states = [each.presentation_state for each in written.selection.references if each.presentation_state]
    context, kept = made_from(made_from_text(written.context, states))
    # As dictionaries, since codes are equal whatever their meaning.
    assert asdict(context) == asdict(written.context)
    assert kept == {state.sop_instance_uid: state for state in states}
