"""Refused and aborted arrivals: rows that say who offered what, bounded whatever a sender does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kinote.catalog.transactions.catalog import Catalog
from kinote.intake.outcome import CANNOT_UNDERSTAND, Outcome, refused
from kinote.intake.receiver import Receiver
from kinote.intake.refusals import KEPT, PER_HOUR, RefusedArrivals, refused_arrivals
from kinote.security.actors import Actor, ActorKind
from kinote.security.origins import Interface, Origin
from kinote.storage.local import local_stores
from tests.intake.objects import image

CT1 = Origin(Interface.C_STORE, Actor(ActorKind.PEER, "CT1", "10.0.0.1"))


@dataclass
class Desk:
    """Collects refusals at a time."""

    catalog: Catalog
    now: datetime = datetime(2026, 11, 30, 8, 30, tzinfo=UTC)
    refusals: RefusedArrivals = field(init=False)

    def __post_init__(self) -> None:
        self.refusals = RefusedArrivals(self.catalog, lambda: self.now)

    def refuse(self, number: int, origin: Origin = CT1) -> None:
        for at in range(number):
            outcome = refused(CANNOT_UNDERSTAND, "a test", sop_instance_uid=f"1.2.{at}")
            self.refusals.note(outcome.sent_by(origin))

    def rows(self, **wanted: Any) -> list[dict[str, Any]]:
        self.refusals.step()
        with self.catalog.read() as connection:
            return refused_arrivals(connection, limit=10_000, **wanted)


@pytest.fixture
def desk(catalog: Catalog) -> Desk:
    return Desk(catalog)


@pytest.fixture
def receiver(desk: Desk, tmp_path: Path) -> Iterator[Receiver]:
    opened = Receiver(
        desk.catalog, local_stores(tmp_path / "data"), clock=lambda: desk.now, observe=desk.refusals.note
    )
    yield opened
    opened.close()


def test_a_refused_arrival_is_a_row_with_who_offered_it_and_why(desk: Desk, receiver: Receiver) -> None:
    upload = receiver.open(CT1)
    upload.write(b"no DICOM file at all" * 20)
    assert upload.finish().result(30).kind == "refused"
    whole = receiver.open(CT1)
    whole.write(image(3))
    assert whole.finish().result(30).kind == "stored"
    (row,) = desk.rows()
    assert (row["interface"], row["sender"], row["address"]) == ("C-STORE", "CT1", "10.0.0.1")
    assert (row["kind"], row["status"], row["count"]) == ("refused", CANNOT_UNDERSTAND, 1)
    assert row["comment"]


def test_an_aborted_arrival_is_a_row_with_its_uid(desk: Desk, receiver: Receiver) -> None:
    upload = receiver.open(CT1)
    upload.write(image(3)[:-10])
    upload.break_off("It ended.")
    (row,) = desk.rows(sop_instance_uid="1.2.3.4.3")
    assert (row["kind"], row["status"], row["comment"]) == ("aborted", 0, "It ended.")


def test_law_5_a_sender_has_so_many_rows_in_an_hour_and_the_others_are_counted(desk: Desk) -> None:
    desk.refuse(PER_HOUR + 50)
    assert [row["count"] for row in desk.rows()] == [51] + [1] * PER_HOUR
    desk.refuse(5000)
    rows = desk.rows()
    assert len(rows) == PER_HOUR + 1
    assert rows[0]["count"] == 5051
    desk.now += timedelta(hours=1)
    desk.refuse(3)
    assert len(desk.rows()) == PER_HOUR + 4


def test_law_5_another_name_for_each_object_makes_no_more_rows(desk: Desk) -> None:
    for at in range(PER_HOUR + 20):
        desk.refuse(1, replace(CT1, actor=Actor(ActorKind.PEER, f"CT{at}", "10.0.0.1")))
    desk.refuse(2, replace(CT1, actor=Actor(ActorKind.PEER, "CT1", "10.0.0.2")))
    assert sum(row["count"] == 1 for row in desk.rows()) == PER_HOUR + 2


def test_law_5_what_waits_is_bounded(desk: Desk) -> None:
    for at in range(300):
        desk.refuse(20, replace(CT1, actor=Actor(ActorKind.PEER, "CT1", f"10.0.1.{at}")))
    rows = desk.rows()
    assert sum(row["count"] - (row["count"] > 1) for row in rows) == 6000
    assert len(rows) <= 1000 + 201 + 1


def test_they_are_kept_for_a_time(desk: Desk) -> None:
    desk.refuse(3)
    assert len(desk.rows()) == 3
    desk.now += KEPT
    assert len(desk.rows()) == 3
    desk.now += timedelta(seconds=1)
    assert desk.rows() == []


def test_what_was_taken_is_no_refusal(desk: Desk) -> None:
    for outcome in (Outcome("stored"), Outcome("known"), Outcome("held")):
        desk.refusals.note(outcome)
    assert desk.rows() == []
