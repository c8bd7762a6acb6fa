"""The change feed: complete, in order, and never past what may still commit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection

from kinote.catalog.changes import BEGINNING, Change, Position, RecordedChange, record, since
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import Catalog

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def kinds(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        return [each.change.kind for each in since(connection, BEGINNING, 100)]


def test_changes_are_read_in_order_and_in_pages(catalog: Catalog) -> None:
    first = Change("instance stored", study_instance_uid="1.1", sop_instance_uid="1.1.1.1")
    second = Change("note made", note=7)
    catalog.write(lambda transaction: record(transaction, [first, second], now=NOW))
    catalog.write(lambda transaction: record(transaction, [], now=NOW))
    catalog.write(lambda transaction: record(transaction, [Change("third")], now=NOW))
    with catalog.read() as connection:
        page = since(connection, BEGINNING, 2)
        rest = since(connection, page[-1].position, 2)
    assert [each.change for each in page] == [first, second]
    assert [each.change for each in rest] == [Change("third")]
    assert {each.made_at for each in page} == {"2026-11-24T12:00:00.000000+00:00"}
    positions = [each.position for each in page + rest]
    assert positions == sorted(set(positions))
    assert [Position.parse(str(each)) for each in positions] == positions


def test_a_change_that_was_rolled_back_is_in_no_feed(catalog: Catalog) -> None:
    def breaks(transaction: Connection) -> None:
        record(transaction, [Change("never")], now=NOW)
        raise ValueError

    assert catalog.submit(breaks).exception() is not None
    catalog.write(lambda transaction: record(transaction, [Change("after")], now=NOW))
    assert kinds(catalog) == ["after"]


@pytest.mark.parametrize("first_to_begin", ["early", "late"])
def test_a_late_commit_is_not_skipped(postgresql_url: str, first_to_begin: str) -> None:
    """Two transactions draw their numbers in one order and commit in the other, whoever began first."""
    engine = dialects.engine_for(postgresql_url, pool_size=4)
    seen: list[RecordedChange] = []
    with engine.connect() as early, engine.connect() as late, engine.connect() as reader:

        def read() -> list[str]:
            with reader.begin():
                found = since(reader, seen[-1].position if seen else BEGINNING, 100)
            seen.extend(found)
            return [each.change.kind for each in found]

        # A transaction has its number from its first write on.
        dialects.current_transaction({"early": early, "late": late}[first_to_begin])
        record(early, [Change("drawn first")], now=NOW)
        record(late, [Change("drawn second")], now=NOW)
        late.commit()
        read()
        early.commit()
        read()
        assert sorted(each.change.kind for each in seen) == ["drawn first", "drawn second"]
        record(late, [Change("third")], now=NOW)
        assert read() == []
        late.commit()
        assert read() == ["third"]
    engine.dispose()


def test_a_rolled_back_transaction_holds_the_feed_up_no_longer(postgresql_url: str) -> None:
    engine = dialects.engine_for(postgresql_url, pool_size=4)
    with engine.connect() as given_up, engine.connect() as writer, engine.connect() as reader:
        record(given_up, [Change("never")], now=NOW)
        record(writer, [Change("waits")], now=NOW)
        writer.commit()
        given_up.rollback()
        assert [each.change.kind for each in since(reader, BEGINNING, 100)] == ["waits"]
    engine.dispose()
