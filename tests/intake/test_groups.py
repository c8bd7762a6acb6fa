"""Which arrivals share a commit: what is on its way is waited for, for a moment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.intake import committer as committing
from kinote.intake.arrival import Arrival
from kinote.intake.committer import Committer
from kinote.intake.filing import Filed
from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.storage.local import local_stores
from tests.clock import clock
from tests.intake.objects import image

#: Seconds in which everything here is long done; and in which a writer that does not wait has begun.
LIMIT, BEGUN = 30, 0.05


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many arrivals each group has had, and groups that have all the time in the world."""
    sizes: list[int] = []

    def counted(
        transaction: Connection, arrivals: Sequence[Arrival], now: datetime, is_in_place: object
    ) -> list[Filed]:
        sizes.append(len(arrivals))
        return [Filed(arrival.outcome("stored"), kept=True) for arrival in arrivals]

    monkeypatch.setattr(committing, "file_arrivals", counted)
    monkeypatch.setattr(committing, "_WAIT", LIMIT)
    return sizes


@pytest.fixture
def committer(catalog: Catalog, tmp_path: Path) -> Iterator[Committer]:
    committer = Committer(
        catalog,
        local_stores(tmp_path / "stores"),
        lambda arrival, filed: arrival.done.set_result(filed.outcome),
        clock,
    )
    yield committer
    committer.close()


@pytest.fixture
def arrivals(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Arrival]:
    """Two arrivals that have been read."""
    read: list[Arrival] = []
    receiver = Receiver(catalog, local_stores(tmp_path / "data"), clock=clock)
    monkeypatch.setattr(receiver, "commit", lambda arrival, sync_here: read.append(arrival))
    for number in (1, 2):
        upload = receiver.open("test")
        upload.write(image(number))
        upload.finish()
    receiver.close()
    return read


def submit(committer: Committer, arrival: Arrival) -> Future[Outcome]:
    committer.submit(arrival)
    time.sleep(BEGUN)
    return arrival.done


def test_what_is_on_its_way_shares_the_commit(
    committer: Committer, groups: list[int], arrivals: list[Arrival]
) -> None:
    for _ in arrivals:
        committer.expect()
    for done in [submit(committer, arrival) for arrival in arrivals]:
        assert done.result(LIMIT).kind == "stored"
    assert groups == [2]


def test_what_does_not_come_is_waited_for_no_longer(
    committer: Committer, groups: list[int], arrivals: list[Arrival]
) -> None:
    committer.expect()
    committer.expect()
    done = submit(committer, arrivals[0])
    assert not done.done()
    committer.give_up()
    assert done.result(LIMIT).kind == "stored"
    assert groups == [1]


def test_nobody_waits_long_for_what_never_comes(
    committer: Committer, groups: list[int], arrivals: list[Arrival], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "_WAIT", 0.0)
    committer.expect()
    committer.expect()
    assert submit(committer, arrivals[0]).result(LIMIT).kind == "stored"
    assert groups == [1]
    committer.give_up()


def test_whatever_becomes_of_an_object_nothing_is_expected_any_more(catalog: Catalog, tmp_path: Path) -> None:
    receiver = Receiver(catalog, local_stores(tmp_path / "data"), clock=clock)
    for data in (image(1), image(1, rows=64), image(1)[:200], b"no DICOM", image(2, StudyInstanceUID="")):
        upload = receiver.open("test")
        upload.write(data)
        upload.finish().result(LIMIT)
    assert receiver._committer._expected == 0
    receiver.close()
