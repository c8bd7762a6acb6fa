"""A rejection note that was made here and is sent to us again does nothing, whatever became of its withdrawal."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, instance_bytes, instance_metadata, rejection_note
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle import acts
from kinote.lifecycle.rejection.proposals import rejections
from kinote.notes.acts.rejection import reject
from kinote.notes.acts.undo import undo_withdrawal
from kinote.security.actors import Actor
from tests.actors import ROE
from tests.lifecycle.rejected import ARCHIVE, STRANGER, image, live, receive
from tests.notes.sample_studies import IMAGE, NOW, dataset_of, later


@pytest.mark.parametrize("sender", [ARCHIVE, STRANGER], ids=["may reject", "may not"])
def test_law_4_a_revoked_note_that_a_peer_sends_back_does_nothing(catalog: Catalog, sender: Actor) -> None:
    """Its tombstone does not keep it away: a later copy of a note is kept, hidden."""
    receive(catalog, image(IMAGE))
    key = catalog.write(lambda tx: reject(tx, [IMAGE], act=acts.QUALITY, text="", by=ROE, now=NOW))
    with catalog.read() as connection:
        note = connection.execute(select(rejection_note.c.sop_instance_uid)).scalar_one()
        data = dataset_of(connection, note)
    catalog.write(lambda tx: undo_withdrawal(tx, key, by=ROE, now=later(NOW)))
    purge(catalog, note)
    receive(catalog, data, by=sender)
    assert live(catalog) == [IMAGE]
    with catalog.read() as connection:
        assert rejections(connection, everything=True) == []


def purge(catalog: Catalog, uid: str) -> None:
    """What a purge leaves: a row that keeps its UID, without bytes."""

    def purging(transaction: Connection) -> None:
        key = select(instance.c.id).where(instance.c.sop_instance_uid == uid).scalar_subquery()
        for table in (instance_bytes, instance_metadata):
            transaction.execute(table.delete().where(table.c.instance == key))
        transaction.execute(
            instance.update()
            .where(instance.c.sop_instance_uid == uid)
            .values(standing="purged", residence="none", file_key=None)
        )

    catalog.write(purging)
