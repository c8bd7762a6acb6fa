"""The server processes of an index: who is there, by whose clock, and from which machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from kinote.catalog.nodes import LIVING, ForeignHostError, Node, living_nodes
from kinote.catalog.schema.tables import node, store
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog

#: Seconds after which something counts as lost.
LIMIT = 60

#: Seconds between two signs of life: none at all, and all the time.
NEVER, ALWAYS = 86_400.0, 0.01


class Clock:
    """Of this process. On PostgreSQL nothing that is written or judged depends on it."""

    def __init__(self) -> None:
        self.now = datetime(2020, 1, 1, tzinfo=UTC)
        self.asked = threading.Semaphore(0)

    def __call__(self) -> datetime:
        self.asked.release()
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()


def living(catalog: Catalog, clock: Clock) -> list[str]:
    with catalog.read() as connection:
        return [each.id for each in living_nodes(connection, clock.now)]


def die(catalog: Catalog, gone: Node, clock: Clock) -> None:
    """Its last sign of life was long ago."""
    long_ago = timestamp(min(clock.now, datetime.now(UTC)) - 2 * LIVING)
    catalog.write(
        lambda transaction: transaction.execute(
            node.update().where(node.c.id == gone.id).values(heartbeat_at=long_ago)
        )
    )


def test_a_node_is_there_until_it_ends(catalog: Catalog, clock: Clock) -> None:
    first = Node(catalog, "here", clock, every=NEVER)
    second = Node(catalog, "here", clock, every=NEVER)
    assert set(living(catalog, clock)) == {first.id, second.id}
    first.close()
    assert living(catalog, clock) == [second.id]
    second.close()
    assert living(catalog, clock) == []


def test_moments_are_of_the_clock_of_the_index(catalog: Catalog, clock: Clock) -> None:
    one = Node(catalog, "here", clock, every=NEVER)
    with catalog.read() as connection:
        (row,) = connection.execute(select(node))
    assert row.started_at == row.heartbeat_at
    assert row.started_at.startswith("2020-01-01T00:00:00") == catalog.is_sqlite
    # Somebody's clock is wrong by years.
    clock.now += timedelta(days=3650)
    assert living(catalog, clock) == ([] if catalog.is_sqlite else [one.id])
    one.close()


def test_a_node_that_was_killed_does_not_live_for_long(catalog: Catalog, clock: Clock) -> None:
    killed = Node(catalog, "here", clock, every=NEVER)
    die(catalog, killed, clock)
    assert living(catalog, clock) == []
    with catalog.read() as connection:
        assert connection.execute(select(node.c.id)).scalars().all() == [killed.id]
    killed.close()


def test_signs_of_life_go_on(catalog: Catalog, clock: Clock) -> None:
    one = Node(catalog, "here", clock, every=ALWAYS)
    die(catalog, one, clock)
    while clock.asked.acquire(blocking=False):
        pass
    for _ in range(3):
        assert clock.asked.acquire(timeout=LIMIT)
    assert living(catalog, clock) == [one.id]
    # Its row is lost with what came after a copy that was put back.
    catalog.write(lambda transaction: transaction.execute(node.delete()))
    while clock.asked.acquire(blocking=False):
        pass
    for _ in range(4):
        assert clock.asked.acquire(timeout=LIMIT)
    assert living(catalog, clock) == [one.id]
    one.close()
    assert living(catalog, clock) == []


def test_a_node_on_another_machine_is_refused(catalog: Catalog, clock: Clock) -> None:
    here = Node(catalog, "here", clock, every=NEVER)
    with pytest.raises(ForeignHostError, match=r"A server on here uses this index.*this one is elsewhere"):
        Node(catalog, "elsewhere", clock, every=NEVER)
    assert living(catalog, clock) == [here.id]
    here.close()


def test_when_all_have_ended_the_stores_may_have_moved(catalog: Catalog, clock: Clock) -> None:
    row = {"id": 1, "kind": "files", "uid": "1", "host": "here", "made_at": ""}
    catalog.write(lambda transaction: transaction.execute(store.insert(), row))
    killed = Node(catalog, "here", clock, every=NEVER)
    die(catalog, killed, clock)
    elsewhere = Node(catalog, "elsewhere", clock, every=NEVER)
    with catalog.read() as connection:
        assert connection.execute(select(store.c.host)).scalars().all() == ["elsewhere"]
    with pytest.raises(ForeignHostError):
        Node(catalog, "here", clock, every=NEVER)
    elsewhere.close()
    killed.close()
