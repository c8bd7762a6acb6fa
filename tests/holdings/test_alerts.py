"""Alerts: a condition that holds has one, and nothing but the end of the condition clears it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from kinote.app.health import _safety_rejections
from kinote.catalog.nodes import Node
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.alerts import KEPT, AlertNotFoundError, AlertWatch, acknowledge, alerts, snooze
from kinote.holdings.health import Alert
from tests.actors import ROE

DEAD = Alert("JOBS_DEAD", "A job is dead.")
DAMAGED = Alert("OBJECTS_DAMAGED", "Two are damaged.")
MOVED = Alert("DATA_DIRECTORY_MOVED", "It was moved.")

NEVER = 86_400.0


@dataclass
class Watch:
    """A server that looks at what is wrong."""

    catalog: Catalog
    now: datetime = datetime(2026, 11, 30, 8, tzinfo=UTC)
    wrong: list[Alert] = field(default_factory=list)
    node: Node = field(init=False)
    watch: AlertWatch = field(init=False)

    def __post_init__(self) -> None:
        self.node = Node(self.catalog, "here", self.clock, every=NEVER)
        self.watch = AlertWatch(self.catalog, self.clock, self.node.id, lambda: self.wrong)

    def clock(self) -> datetime:
        return self.now

    def look(self, *wrong: Alert, after: timedelta = timedelta(seconds=1)) -> list[tuple[str, str, str]]:
        self.now += after
        self.wrong = list(wrong)
        self.watch.step()
        return self.open()

    def open(self) -> list[tuple[str, str, str]]:
        with self.catalog.read() as connection:
            found = alerts(connection, "open", self.now)
        return [(each["code"], each["severity"], each["state"]) for each in found]

    def all(self) -> list[dict[str, object]]:
        with self.catalog.read() as connection:
            return alerts(connection, "all", self.now)


@pytest.fixture
def watch(catalog: Catalog) -> Watch:
    return Watch(catalog)


def test_the_condition_alone_opens_and_clears_an_alert(watch: Watch) -> None:
    assert watch.look() == []
    assert watch.look(DEAD) == [("JOBS_DEAD", "error", "new")]
    since = watch.all()[0]["since"]
    assert watch.look(Alert(DEAD.code, "Two jobs are dead."), DAMAGED) == [
        ("OBJECTS_DAMAGED", "error", "new"),
        ("JOBS_DEAD", "error", "new"),
    ]
    first = watch.all()[1]
    assert (first["since"], first["sentence"]) == (since, "Two jobs are dead.")
    assert watch.look(DAMAGED) == [("OBJECTS_DAMAGED", "error", "new")]
    assert watch.look(DEAD, DAMAGED) == [("JOBS_DEAD", "error", "new"), ("OBJECTS_DAMAGED", "error", "new")]
    assert [each["state"] for each in watch.all()] == ["new", "new", "cleared"]


def test_what_people_say_stays_until_the_condition_ends(watch: Watch) -> None:
    watch.look(DEAD, DAMAGED)
    second, first = (int(str(each["id"])) for each in watch.all())
    watch.catalog.write(lambda tx: acknowledge(tx, first, ROE, watch.now))
    watch.catalog.write(lambda tx: snooze(tx, second, watch.now + timedelta(hours=1), ROE, watch.now))
    assert [state for _, _, state in watch.look(DEAD, DAMAGED)] == ["snoozed", "acknowledged"]
    assert str(ROE) in {str(each["acknowledged_by"]) for each in watch.all()}
    assert [state for _, _, state in watch.look(DEAD, DAMAGED, after=timedelta(hours=1))] == [
        "new",
        "acknowledged",
    ]
    assert watch.look() == []
    with pytest.raises(AlertNotFoundError):
        watch.catalog.write(lambda tx: acknowledge(tx, first, ROE, watch.now))
    assert [state for _, _, state in watch.look(DEAD)] == ["new"], "it is another alert"


def test_cleared_alerts_are_kept_for_a_time(watch: Watch) -> None:
    watch.look(DEAD)
    watch.look()
    watch.look(after=KEPT - timedelta(seconds=1))
    assert len(watch.all()) == 1
    watch.look(after=timedelta(seconds=2))
    assert watch.all() == []


def test_what_one_server_finds_is_not_cleared_by_another_that_lives_beside_it(watch: Watch) -> None:
    other = Watch(watch.catalog, watch.now)
    watch.look(MOVED, DEAD)
    assert other.look(DEAD) == [
        ("JOBS_DEAD", "error", "new"),
        ("DATA_DIRECTORY_MOVED", "error", "new"),
    ]
    assert other.look() == [("DATA_DIRECTORY_MOVED", "error", "new")]
    watch.node.close()
    assert other.look() == [], "the server that found it has ended"
    other.node.close()


def test_a_look_that_finds_nothing_new_writes_nothing(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.look(DEAD)
    monkeypatch.setattr(watch.catalog, "submit", None)
    assert watch.look(DEAD) == [("JOBS_DEAD", "error", "new")]


def test_ten_times_as_many_are_new_to_who_has_seen_one(watch: Watch) -> None:
    def damaged(number: int) -> list[tuple[str, str, str]]:
        return watch.look(Alert("OBJECTS_DAMAGED", f"{number} are damaged.", number))

    damaged(1)
    (first,) = (int(str(each["id"])) for each in watch.all())
    watch.catalog.write(lambda tx: acknowledge(tx, first, ROE, watch.now))
    assert damaged(9) == [("OBJECTS_DAMAGED", "error", "acknowledged")]
    assert damaged(10) == [("OBJECTS_DAMAGED", "error", "new")]
    assert [each["state"] for each in watch.all()] == ["new", "cleared"]
    second = int(str(watch.all()[0]["id"]))
    watch.catalog.write(lambda tx: acknowledge(tx, second, ROE, watch.now))
    assert damaged(4) == [("OBJECTS_DAMAGED", "error", "acknowledged")], "less is nothing new"
    assert damaged(12) == [("OBJECTS_DAMAGED", "error", "acknowledged")]
    assert damaged(1200) == [("OBJECTS_DAMAGED", "error", "new")]
    assert watch.look() == []


def test_each_safety_rejection_that_comes_is_new_whatever_was_seen(watch: Watch) -> None:
    watch.look(*_safety_rejections([7], 1))
    (first,) = watch.all()
    assert first["subject"] == "rejection 7"
    with_seen = first["id"]
    watch.catalog.write(lambda tx: acknowledge(tx, int(str(with_seen)), ROE, watch.now))
    assert [state for _, _, state in watch.look(*_safety_rejections([8, 7], 2))] == ["new", "acknowledged"]
    # That there are many is another alert, and takes the place of none.
    many = [state for _, _, state in watch.look(*_safety_rejections([8, 7], 12))]
    assert sorted(many) == ["acknowledged", "new", "new"]
    assert watch.look(*_safety_rejections([8], 1)) == [("SAFETY_REJECTIONS_WAITING", "error", "new")]
