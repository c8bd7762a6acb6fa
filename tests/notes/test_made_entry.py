"""What the object creator tells the index of a document is what intake would find in its bytes."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict

import pytest
from hypothesis import example, given, settings

from kinote.catalog.instances.entry import entry_of, instance_columns
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import scan
from kinote.dicom.json import from_elements
from kinote.keyobject import writer
from kinote.keyobject.codes import Code
from kinote.keyobject.elements import Element, encoded
from kinote.keyobject.model import KeyObjectDocument
from kinote.notes.creator.index_entry import made_entry
from kinote.notes.creator.index_json import document_json
from kinote.notes.creator.recipe import made_from, made_from_text
from kinote.security.origins import Interface, Origin
from kinote.storage.digests import digest_of
from tests.actors import ROE
from tests.keyobject.documents import document, documents, odd_copies, with_title
from tests.notes.sample_studies import NOW


def hold_to_the_reader(elements: list[Element]) -> None:
    """Compare what is rendered from elements with what is read from their bytes."""
    dataset = encoded(elements)
    scanned = scan(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    assert document_json(elements).encode() == from_elements.metadata_json(scanned)
    made = made_entry(elements, dataset, ROE, NOW)
    found = entry_of(
        scanned,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        digest=digest_of(dataset),
        size=len(dataset),
        origin=Origin(Interface.KINOTE, ROE).columns(),
        now=NOW,
        bytes_in_index=True,
    )
    # What it says of its study is there already.
    assert dataclasses.replace(made, study_row={}) == dataclasses.replace(found, study_row={})


@settings(deadline=None)
@given(written=documents())
@example(written=document())
def test_an_entry_is_what_intake_would_make(written: KeyObjectDocument) -> None:
    hold_to_the_reader(writer.elements(written))


@settings(deadline=None)
@given(written=odd_copies())
def test_so_it_is_where_a_study_was_received_with_faults(written: KeyObjectDocument) -> None:
    hold_to_the_reader(writer.elements(written))


@pytest.mark.parametrize(
    ("value", "attribute", "kept"),
    [
        ("P1", tags.CODE_VALUE, "P1"),
        ("sixteen-letters!", tags.CODE_VALUE, "sixteen-letters!"),
        ("seventeen-letters", tags.LONG_CODE_VALUE, ""),
        ("urn:oid:1.2.3", tags.URN_CODE_VALUE, ""),
        ("urn:oid:1.2.3.45", tags.URN_CODE_VALUE, ""),
        ("urn:oid:1.2.3.456", tags.URN_CODE_VALUE, ""),
        ("http:x", tags.URN_CODE_VALUE, ""),
        ("urn:é", tags.URN_CODE_VALUE, ""),
    ],
)
def test_a_title_is_the_same_kind_of_code_in_the_file_and_in_the_index(
    value: str, attribute: int, kept: str
) -> None:
    elements = writer.elements(with_title(Code(value, "99X", "own")))
    hold_to_the_reader(elements)
    entry = made_entry(elements, encoded(elements), ROE, NOW)
    assert entry.instance_row["concept_value"] == kept
    assert f'"{attribute:08X}":' in entry.instance_row["attributes"]


def test_breach_a_code_told_otherwise_than_written_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URN of few letters told as a Code Value, as one would by its length alone."""
    title = Code("urn:oid:1.2.3", "99X", "own")
    monkeypatch.setattr(
        "kinote.notes.creator.index_entry.instance_columns",
        lambda level: {**instance_columns(level), "concept_value": title.value},
    )
    with pytest.raises(AssertionError):
        hold_to_the_reader(writer.elements(with_title(title)))


@settings(deadline=None, max_examples=30)
@given(written=documents())
def test_law_11_an_envelope_is_kept_whole(written: KeyObjectDocument) -> None:
    states = [each.presentation_state for each in written.selection.references if each.presentation_state]
    context, kept = made_from(made_from_text(written.context, states))
    # As dictionaries, since codes are equal whatever their meaning.
    assert asdict(context) == asdict(written.context)
    assert kept == {state.sop_instance_uid: state for state in states}
