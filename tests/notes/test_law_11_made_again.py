"""Law 11: one document per study and note version, and made again it has the same bytes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from kinote.catalog.schema.tables import instance, instance_bytes, key_object, study
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.keyobject import reader, rebuilding, writer
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import BEST_IN_SET, BEST_IN_SET_OF, OF_INTEREST
from kinote.notes.acts.request import NoteRequest
from kinote.notes.acts.revise import revise
from kinote.notes.author import Author
from kinote.notes.creator.create import document_of
from kinote.security.actors import Actor, ActorKind
from tests.catalog.archive import store
from tests.notes.sample_studies import (
    FIRST,
    FIRST_STATE,
    FRAMES,
    IMAGE,
    IMAGE_2,
    NOW,
    SECOND_IMAGE,
    SECOND_STATE,
    SEGMENTS,
    flag,
    later,
    made,
    object_of,
    request,
)


def hold_law_11(catalog: Catalog) -> None:
    """Make every document again from its rows, and read it back."""
    query = (
        select(instance.c.sop_instance_uid, instance.c.study, key_object.c.version, instance_bytes.c.dataset)
        .join(key_object, key_object.c.instance == instance.c.id)
        .join(instance_bytes, instance_bytes.c.instance == instance.c.id)
    )
    with catalog.read() as connection:
        rows = connection.execute(query).all()
        assert max(Counter((row.version, row.study) for row in rows).values()) == 1
        for row in rows:
            document = document_of(connection, row.sop_instance_uid)
            assert writer.encode(document) == bytes(row.dataset)
            reading = reader.read(bytes(row.dataset), EXPLICIT_VR_LITTLE_ENDIAN)
            assert reading.findings == ()
            assert rebuilding.document_of(reading) == document


def work(catalog: Catalog) -> None:
    """Documents of every kind, and things that happen afterwards."""
    note = made(
        catalog,
        request(
            flag(IMAGE, presentation_state_uid=FIRST_STATE),
            flag(FRAMES, frames=(3, 7)),
            flag(SEGMENTS, segments=(1,)),
            flag(SECOND_IMAGE, presentation_state_uid=SECOND_STATE),
            title=BEST_IN_SET,
            modifiers=(BEST_IN_SET_OF[1],),
            description="右肺\nnodule ",
            language="ja",
        ),
    )
    made(catalog, request(IMAGE, author=Author("device", "Finder"), title=Code("X", "99T", "Eigen")))
    store(catalog, object_of("1.2.1.1.77"))
    number = note.id
    assert number is not None
    changed = request(IMAGE_2, description="Changed")
    awkward = Actor(ActorKind.PERSON, "r\\oe", "")
    catalog.write(lambda tx: revise(tx, number, changed, expected_version=1, by=awkward, now=later(NOW)))
    catalog.write(
        lambda tx: tx.execute(
            study.update().where(study.c.study_instance_uid == FIRST).values(attributes="{}")
        )
    )


def test_law_11_documents_made_again_are_the_same(filled: Catalog) -> None:
    work(filled)
    hold_law_11(filled)


def test_breach_of_law_11_is_noticed(filled: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time of writing that no row has."""
    elements = writer.elements
    when = (tags.TEXT_VALUE + 1, "UT", "when")
    monkeypatch.setattr(writer, "elements", lambda document: [*elements(document), when])
    work(filled)
    monkeypatch.undo()
    with pytest.raises(AssertionError):
        hold_law_11(filled)


def test_no_document_is_made_of_what_came_from_elsewhere(filled_sqlite: Catalog) -> None:
    with filled_sqlite.read() as connection, pytest.raises(LookupError):
        document_of(connection, IMAGE)


_texts = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t\r"), max_size=30)


@st.composite
def requests(draw: st.DrawFn) -> NoteRequest:
    frames = tuple(draw(st.lists(st.integers(1, 10), unique=True, max_size=4)))
    flagged = draw(
        st.permutations([flag(IMAGE), flag(FRAMES, frames=frames), flag(SECOND_IMAGE), flag(IMAGE_2)])
    )
    name = draw(_texts).translate(str.maketrans("", "", "\\=\n\t\r"))
    return request(
        *flagged[: draw(st.integers(1, 4))],
        title=draw(st.sampled_from([OF_INTEREST, Code("113018", "DCM")])),
        description=draw(_texts),
        language=draw(st.sampled_from(["", "de", "zh-Hant"])),
        author=Author(draw(st.sampled_from(["person", "device"])), name),
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=requests())
def test_law_11_holds_for_any_note(filled_sqlite: Catalog, wanted: NoteRequest) -> None:
    made(filled_sqlite, wanted)
    hold_law_11(filled_sqlite)
