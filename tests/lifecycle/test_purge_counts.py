"""What is not purged is counted by the database: removals and tombstones, failed and dead."""

from __future__ import annotations

from sqlalchemy import select

from kinote.catalog.schema.tables import instance, owed_removal
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.acts import SAFETY
from kinote.lifecycle.purging.lists import PurgeCounts, counts, number_of_dead
from kinote.lifecycle.purging.tombstones import MOST_ATTEMPTS, remember_failure
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from tests.actors import ROE
from tests.notes.sample_studies import IMAGE, NOW, SECOND_IMAGE, fill


def test_removals_and_purges_are_counted_by_what_has_failed(catalog: Catalog) -> None:
    fill(catalog)
    with catalog.read() as connection:
        assert counts(connection) == PurgeCounts()
        assert number_of_dead(connection) == 0
        rows_of = connection.execute(select(instance.c.sop_instance_uid, instance.c.id)).all()
    keys = {row.sop_instance_uid: row.id for row in rows_of}
    catalog.write(lambda tx: withdraw(tx, [IMAGE, SECOND_IMAGE], act=SAFETY, text="", by=ROE, now=NOW))
    catalog.write(lambda tx: remember_failure(tx, keys[IMAGE], "a test", NOW))
    for _ in range(MOST_ATTEMPTS):
        catalog.write(lambda tx: remember_failure(tx, keys[SECOND_IMAGE], "a test", NOW))
    rows = [
        {"store": 1, "key": f"key {attempts} {at}", "since": "", "instance": at, "attempts": attempts}
        for attempts, number in ((0, 3), (1, 2), (MOST_ATTEMPTS, 1))
        for at in range(number)
    ]
    rows.append({"store": 1, "key": "of no tombstone", "since": "", "instance": None, "attempts": 0})
    catalog.write(lambda tx: tx.execute(owed_removal.insert(), rows))
    with catalog.read() as connection:
        assert counts(connection) == PurgeCounts(removing=6, failed=5, dead=2)
        assert number_of_dead(connection) == 2
