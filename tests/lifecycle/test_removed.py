"""What was removed in a period is counted by act and by who did it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.acts import QUALITY, SAFETY
from kinote.lifecycle.withdrawals.removed import removed_in
from kinote.lifecycle.withdrawals.withdrawal import undo, withdraw
from kinote.security.actors import KINOTE
from tests.actors import PROGRAM, ROE

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
DAY = timedelta(days=1)


def test_what_was_removed_is_counted_by_act_and_by_whom(catalog: Catalog) -> None:
    for uids, act, by, when in (
        (["1.1", "1.2"], QUALITY, ROE, NOW),
        (["1.3"], QUALITY, ROE, NOW + DAY),
        (["1.4"], SAFETY, ROE, NOW + DAY),
        (["1.5"], QUALITY, PROGRAM, NOW + 2 * DAY),
    ):
        catalog.write(
            lambda tx, uids=uids, act=act, by=by, when=when: withdraw(  # type: ignore[misc]
                tx, uids, act=act, text="", by=by, now=when
            )
        )
    with catalog.read() as connection:
        everything = removed_in(connection)
        one_day = removed_in(connection, since=timestamp(NOW), until=timestamp(NOW + DAY))
        later = removed_in(connection, since=timestamp(NOW + 3 * DAY))
    found = [
        (each.act, each.by.name if each.by else "", each.withdrawals, each.instances) for each in everything
    ]
    assert found == [("quality", "roe", 2, 3), ("quality", "tests", 1, 1), ("safety", "roe", 1, 1)]
    assert [(each.act, each.instances) for each in one_day] == [("quality", 2)]
    assert later == []


def test_what_was_undone_is_counted_too(catalog: Catalog) -> None:
    key = catalog.write(lambda tx: withdraw(tx, ["1.1"], act=QUALITY, text="", by=KINOTE, now=NOW))
    catalog.write(lambda tx: undo(tx, key, by=ROE, now=NOW))
    with catalog.read() as connection:
        assert [each.instances for each in removed_in(connection)] == [1]
