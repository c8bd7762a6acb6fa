"""Standing by the thousand: in chunks, with few statements, and right whoever else changes it meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from kinote.catalog import changes
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import instance, series, study
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.lifecycle import counts, standing
from kinote.lifecycle.acts import QUALITY, SAFETY
from kinote.lifecycle.withdrawals.withdrawal import undo, withdraw
from tests.actors import ROE
from tests.catalog.archive import NOW, data_set, store
from tests.notes.statements import each_statement

SERIES = 4


def uid_of(number: int) -> str:
    """Instances are spread over two studies of two series each, so that chunks and series cut across each other."""
    return f"1.9.{number % 2}.{number % SERIES}.{number}"


def fill(catalog: Catalog, many: int) -> list[str]:
    """Many live instances: some come as intake has them, and the rows of the others are copies of these."""
    store(catalog, *(data_set(f"1.9.{at % 2}", f"1.9.{at % 2}.{at}", uid_of(at)) for at in range(SERIES)))

    def copy(transaction: Connection) -> None:
        firsts = transaction.execute(select(instance).order_by(instance.c.id)).mappings().all()
        rows = [
            {**{name: value for name, value in firsts[at % SERIES].items() if name != "id"}}
            | {"sop_instance_uid": uid_of(at)}
            for at in range(SERIES, many)
        ]
        if rows:
            transaction.execute(instance.insert(), rows)
        counts.add(transaction, Counter((row["study"], row["series"]) for row in rows))

    catalog.write(copy)
    return [uid_of(at) for at in range(many)]


def withdrawn(catalog: Catalog, uids: Sequence[str], act: Any = QUALITY) -> int:
    return catalog.write(lambda tx: withdraw(tx, uids, act=act, text="", by=ROE, now=NOW))


def undone(catalog: Catalog, key: int) -> None:
    catalog.write(lambda tx: undo(tx, key, by=ROE, now=NOW))


def state(catalog: Catalog) -> tuple[list[str], Counter[str], list[tuple[int, int]]]:
    """The live UIDs, what the feed has told by kinds, and the counters of the studies; they agree with the view."""
    with catalog.read() as connection:
        assert counts.differences(connection) == []
        live = connection.execute(select(live_instance.c.sop_instance_uid)).scalars().all()
        feed = changes.since(connection, changes.BEGINNING, 10**6)
        counted = connection.execute(
            select(study.c.instance_count, study.c.series_count).order_by(study.c.study_instance_uid)
        )
        return sorted(live), Counter(one.change.kind for one in feed), [tuple(row) for row in counted]


def statements(catalog: Catalog, uids: Sequence[str]) -> tuple[int, int]:
    """How many statements it takes to withdraw instances, and to undo that."""
    first: list[str] = []
    second: list[str] = []
    with each_statement(catalog, first.append):
        key = withdrawn(catalog, uids)
    with each_statement(catalog, second.append):
        undone(catalog, key)
    return len(first), len(second)


def test_thousands_are_withdrawn_and_restored_with_counters_and_feed(catalog: Catalog) -> None:
    many = 2 * standing.CHUNK + 7
    uids = fill(catalog, many)
    before = state(catalog)
    key = withdrawn(catalog, [*reversed(uids), *uids[:10], "1.9.9.9.9"])
    live, told, counted = state(catalog)
    assert (live, counted) == ([], [(0, 0), (0, 0)])
    assert told == {"instance withdrawn": many}
    undone(catalog, key)
    live, told, counted = state(catalog)
    assert (live, counted) == (before[0], before[2])
    assert told == {"instance withdrawn": many, "instance restored": many}


def test_the_feed_tells_of_each_with_its_study(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "CHUNK", 3)
    uids = fill(catalog, 10)
    withdrawn(catalog, uids[:7])
    with catalog.read() as connection:
        told = [one.change for one in changes.since(connection, changes.BEGINNING, 100)]
    assert sorted((one.sop_instance_uid, one.study_instance_uid) for one in told) == sorted(
        (uid, ".".join(uid.split(".")[:3])) for uid in uids[:7]
    )


def test_statements_grow_with_chunks_and_not_with_instances(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few for each chunk, and few for all: the record, the counters."""
    uids = fill(catalog, 60)
    found = {}
    for size in (60, 20, 10):
        monkeypatch.setattr(standing, "CHUNK", size)
        found[60 // size] = statements(catalog, uids)
    for at in (0, 1):
        alone, three, six = found[1][at], found[3][at], found[6][at]
        # Among them are the locks of UIDs, what was told to whom, and what has been purged.
        assert alone <= 22
        each = (three - alone) / 2
        assert each <= 6
        assert six == alone + 5 * each


def test_only_what_changes_is_written(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Withdrawals overlap: an instance comes back with the last of them, and is told of once."""
    monkeypatch.setattr(standing, "CHUNK", 4)
    uids = fill(catalog, 12)
    first, second = withdrawn(catalog, uids[:8]), withdrawn(catalog, uids[4:], SAFETY)
    assert state(catalog)[1] == {"instance withdrawn": 12}
    undone(catalog, first)
    assert state(catalog)[0] == sorted(uids[:4])
    undone(catalog, second)
    live, told, _ = state(catalog)
    assert live == sorted(uids)
    assert told == {"instance withdrawn": 12, "instance restored": 12}


def test_what_is_settled_together_may_move_both_ways(catalog: Catalog) -> None:
    uids = fill(catalog, 8)
    withdrawn(catalog, uids[:4])

    def swapped(transaction: Connection) -> int:
        transaction.execute(text("DELETE FROM withdrawal_target"))
        transaction.execute(
            text("INSERT INTO withdrawal_target (withdrawal, sop_instance_uid) VALUES (1, :uid)"),
            [{"uid": uid} for uid in uids[4:]],
        )
        return standing.settle(transaction, sorted(uids), now=NOW)

    assert catalog.write(swapped) == 8
    live, told, _ = state(catalog)
    assert live == sorted(uids[:4])
    assert told == {"instance withdrawn": 8, "instance restored": 4}


def test_an_empty_series_does_not_count(catalog: Catalog) -> None:
    uids = fill(catalog, 8)
    key = withdrawn(catalog, [uid for uid in uids if uid.startswith("1.9.0.2.")])
    with catalog.read() as connection:
        by_series = select(series.c.instance_count).order_by(series.c.series_instance_uid)
        assert connection.execute(by_series).scalars().all() == [2, 0, 2, 2]
    assert state(catalog)[2] == [(2, 1), (4, 2)]
    undone(catalog, key)
    assert state(catalog)[2] == [(4, 2), (4, 2)]


LIMIT = 60

_WAITING = text(
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def test_law_4_a_withdrawal_made_meanwhile_holds(postgresql_url: str) -> None:
    """Of two writers the second waits, and then sees what the first has written: what is withdrawn stays so."""
    catalog = Catalog(CatalogOptions(postgresql_url))
    uids = fill(catalog, 4)
    first = withdrawn(catalog, uids)
    is_withdrawn, may_commit = threading.Event(), threading.Event()

    def withdraw_again(transaction: Connection) -> None:
        withdraw(transaction, uids, act=SAFETY, text="", by=ROE, now=NOW)
        is_withdrawn.set()
        assert may_commit.wait(LIMIT)

    withdrawing = catalog.submit(withdraw_again)
    assert is_withdrawn.wait(LIMIT)
    undoing = catalog.submit(lambda tx: undo(tx, first, by=ROE, now=NOW))
    deadline = time.monotonic() + LIMIT
    with catalog.read() as connection:
        while connection.execute(_WAITING).first() is None:
            assert time.monotonic() < deadline
            connection.rollback()
            time.sleep(0.01)
    may_commit.set()
    withdrawing.result(LIMIT)
    undoing.result(LIMIT)
    assert state(catalog)[0] == []
    catalog.close()
