"""Which arrivals share a commit, and what becomes of one that a store cannot keep."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.commits import Commits
from kinote.intake import committer as committing
from kinote.intake.arrival import Arrival
from kinote.intake.filing import Filed, file_arrivals
from kinote.intake.outcome import OUT_OF_RESOURCES, Outcome
from kinote.intake.receiver import Receiver
from kinote.storage.local import local_stores
from kinote.storage.store import Incoming, StorageError
from kinote.storage.stores import Stores
from tests.actors import ORIGIN
from tests.clock import clock
from tests.intake.objects import image

#: Seconds in which everything here is long done.
LIMIT = 60

#: Rows of an image that has a file of its own.
LARGE = 300


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return local_stores(tmp_path / "data")


@pytest.fixture
def receiver(catalog: Catalog, stores: Stores) -> Iterator[Receiver]:
    receiver = Receiver(catalog, stores, clock=clock)
    yield receiver
    receiver.close()
    stores.close()


def send(receiver: Receiver, number: int, rows: int = 40) -> Outcome:
    upload = receiver.open(ORIGIN)
    upload.write(image(number, rows=rows))
    return upload.finish().result(LIMIT)


def test_what_comes_while_a_group_is_filed_shares_the_next(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    begun, may_go_on = threading.Event(), threading.Event()

    def counted(transaction: Connection, arrivals: Sequence[Arrival], *more: Any) -> list[Filed]:
        sizes.append(len(arrivals))
        begun.set()
        assert may_go_on.wait(LIMIT)
        return file_arrivals(transaction, arrivals, *more)

    monkeypatch.setattr(committing, "file_arrivals", counted)
    with ThreadPoolExecutor(4) as senders:
        first = senders.submit(send, receiver, 1)
        assert begun.wait(LIMIT)
        others = []
        for number in (2, 3, 4):
            upload = receiver.open(ORIGIN)
            upload.write(image(number))
            others.append(upload.finish())
        may_go_on.set()
        assert {done.result(LIMIT).kind for done in (first, *others)} == {"stored"}
    # A database with several writers may have begun with them meanwhile.
    assert sum(sizes) == 4
    if receiver._catalog.is_sqlite:
        assert sizes == [1, 3]


@pytest.mark.parametrize("rows", [40, LARGE])
def test_law_8_what_a_store_cannot_keep_has_no_row_and_harms_no_other(
    receiver: Receiver, stores: Stores, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    settle = stores.settle
    together = threading.Event()

    def failing(group: Sequence[Incoming]) -> list[StorageError | None]:
        done = settle(group)
        return [StorageError("The disk is full"), *done[1:]] if len(group) == 3 else done

    def slow(transaction: Connection, arrivals: Sequence[Arrival], *more: Any) -> list[Filed]:
        together.wait(LIMIT)
        return file_arrivals(transaction, arrivals, *more)

    monkeypatch.setattr(stores, "settle", failing)
    monkeypatch.setattr(committing, "GROUP", 3)
    with receiver._committer._changed:
        receiver._committer._announced = True
    dones = []
    for number in (1, 2, 3):
        upload = receiver.open(ORIGIN)
        upload.write(image(number, rows=rows))
        dones.append(upload.finish(sync_here=True))
    monkeypatch.setattr(committing, "file_arrivals", slow)
    together.set()
    receiver._committer._announce()
    outcomes = [done.result(LIMIT) for done in dones]
    assert sorted(outcome.kind for outcome in outcomes) == ["refused", "stored", "stored"]
    (refused,) = (outcome for outcome in outcomes if outcome.kind == "refused")
    assert (refused.status, refused.reason) == (OUT_OF_RESOURCES, "The disk is full")
    kept = sum(len(part) for store in stores for part in store.keys_since(""))
    assert kept == 2


def test_law_6_a_store_that_fails_in_any_way_is_told_of_to_nobody_as_stored(
    receiver: Receiver, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_group: Sequence[Incoming]) -> list[StorageError | None]:
        raise MemoryError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(stores, "settle", failing)
        for rows in (40, LARGE):
            assert send(receiver, 1, rows).status == OUT_OF_RESOURCES
    assert [send(receiver, number, rows).kind for number, rows in ((1, 40), (2, LARGE))] == ["stored"] * 2


def test_law_5_an_index_that_begins_no_transaction_holds_nobody_for_ever(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_commits: Commits) -> Iterator[None]:
        raise OperationalError("BEGIN", None, Exception("database is locked"))

    with monkeypatch.context() as patched:
        patched.setattr(Commits, "transaction", failing)
        outcomes = [send(receiver, number) for number in (1, 2)]
    assert {outcome.status for outcome in outcomes} == {OUT_OF_RESOURCES}
    assert all("cannot be written to now" in outcome.reason for outcome in outcomes)
    assert [send(receiver, number).kind for number in (1, 2, 3)] == ["stored"] * 3


@pytest.mark.parametrize("rows", [40, LARGE])
def test_law_5_an_upload_that_fails_unexpectedly_leaves_nothing_open(
    receiver: Receiver, stores: Stores, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    def failing(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("kinote.intake.upload.entry_of", failing)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(5):
        with pytest.raises(RuntimeError):
            send(receiver, number, rows)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    assert sum(len(part) for store in stores for part in store.keys_since("")) == 0
