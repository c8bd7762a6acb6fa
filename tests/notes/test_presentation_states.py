"""Presentation states that are made with a note, on each kind of database: their rows, counts, and ways out of use."""

from __future__ import annotations

from sqlalchemy import select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle import counts
from kinote.notes.acts.revise import revise
from kinote.notes.acts.undo import undo_withdrawal
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.presentations.view import View
from tests.actors import ROE
from tests.notes.sample_studies import NOW, dataset, flag, later, made, object_of, receive, request

IMAGE = "1.2.1.1.9"
TURNED = flag(IMAGE, presentation=View(rotation=90))


def states(catalog: Catalog) -> set[str]:
    """The live states that were made here; the counts of studies and series are right."""
    with catalog.read() as connection:
        assert counts.differences(connection) == []
        return set(
            connection.execute(
                select(live_instance.c.sop_instance_uid).where(
                    live_instance.c.sop_class_uid == "1.2.840.10008.5.1.4.1.1.11.1",
                    live_instance.c.received_from == "kinote",
                )
            ).scalars()
        )


def test_states_come_stay_go_and_return_with_their_notes(filled: Catalog) -> None:
    receive(
        filled,
        dataset(object_of(IMAGE, Rows=8, Columns=8, PhotometricInterpretation="MONOCHROME2")),
    )
    note = made(filled, request(TURNED))
    (first,) = states(filled)
    assert note.references[0].presentation_state_uid == first
    number = note.id
    assert number is not None
    kept = request(flag(IMAGE, presentation_state_uid=first))
    filled.write(lambda tx: revise(tx, number, kept, expected_version=1, by=ROE, now=later(NOW)))
    assert states(filled) == {first}
    filled.write(
        lambda tx: revise(tx, number, request(TURNED), expected_version=2, by=ROE, now=later(NOW, 120))
    )
    (second,) = states(filled)
    assert second != first
    key = filled.write(lambda tx: withdraw_note(tx, number, text="x", by=ROE, now=later(NOW, 180)))
    assert states(filled) == set()
    filled.write(lambda tx: undo_withdrawal(tx, key, by=ROE, now=later(NOW, 240)))
    assert states(filled) == {second}
