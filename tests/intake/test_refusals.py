"""Refused and aborted arrivals: rows that say who offered what, bounded whatever a sender does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from kinote.catalog.transactions.catalog import Catalog
from kinote.intake import refusals as refusals_module
from kinote.intake.outcome import CANNOT_UNDERSTAND, Outcome, refused
from kinote.intake.receiver import Receiver
from kinote.intake.refusals import KEPT, PER_DAY, PER_HOUR, RefusedArrivals, refused_arrivals
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


def test_what_cannot_be_written_now_is_written_later_and_counted_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.refuse(1200)

    def fails(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    with monkeypatch.context() as patched:
        patched.setattr(refusals_module, "_write", fails)
        for _ in range(3):
            with pytest.raises(OperationalError):
                desk.refusals.step()
        desk.refuse(100)
    rows = desk.rows()
    assert sum(row["count"] - (row["count"] > 1) for row in rows) == 1300
    assert rows[-1]["sop_instance_uid"] == "1.2.0", "in their order"


def test_law_5_what_no_database_takes_is_written_without_it(desk: Desk) -> None:
    hostile = "a\x00b\x1b[31m\ud800\n" + "c" * 1000
    outcome = refused(CANNOT_UNDERSTAND, hostile, sop_class_uid=hostile, sop_instance_uid="1." * 40 + "\x00")
    desk.refusals.note(
        outcome.sent_by(replace(CT1, actor=Actor(ActorKind.PEER, "CT\x001\x07", "10.0.0.1\x00")))
    )
    (row,) = desk.rows()
    assert row["comment"].startswith("a b [31m  c")
    assert (row["sender"], row["address"], row["sop_instance_uid"]) == ("CT 1", "10.0.0.1", "1." * 40)
    assert all(text.isprintable() for text in row.values() if isinstance(text, str))


def test_law_5_a_row_that_cannot_be_written_harms_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row_of = refusals_module._row

    def without_kind(happened: datetime, sender: Any, outcome: Outcome) -> dict[str, Any]:
        row = row_of(happened, sender, outcome)
        return {**row, "kind": None} if outcome.sop_instance_uid == "1.2.7" else row

    monkeypatch.setattr(refusals_module, "_row", without_kind)
    desk.refuse(20)
    assert len(desk.rows()) == 19
    assert len(desk.rows()) == 19


def test_law_5_an_address_has_so_many_rows_in_a_day(desk: Desk) -> None:
    desk.now = desk.now.replace(hour=0)
    for _ in range(8):
        desk.refuse(PER_HOUR)
        desk.refusals.step()
        desk.now += timedelta(hours=1)
    rows = desk.rows()
    assert sum(row["count"] == 1 for row in rows) == PER_DAY
    assert sum(row["count"] - (row["count"] > 1) for row in rows) == 8 * PER_HOUR
    desk.now += timedelta(days=1)
    desk.refuse(3)
    assert sum(row["count"] == 1 for row in desk.rows()) == PER_DAY + 3


def test_law_5_no_more_than_so_many_are_kept_in_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals_module, "MOST_KEPT", 50)
    for _ in range(5):
        desk.refuse(30)
        desk.rows()
    assert len(desk.rows()) <= 50
    assert len(desk.rows()) == 50
