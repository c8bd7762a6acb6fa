"""Senders wait for comparisons in turn: whoever sends many again delays no other by more than one."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kinote.catalog.transactions.catalog import Catalog
from kinote.intake import comparers
from kinote.intake.arrival import Arrival
from kinote.intake.comparers import Comparers
from kinote.security.actors import Actor, ActorKind
from tests.notes.sample_studies import IMAGE, NOW, arrival, dataset, object_of

MANY = Actor(ActorKind.PEER, "MANY", "10.1.1.1")
RENAMED = Actor(ActorKind.PEER, "MANY 2", "10.1.1.1")
OTHER = Actor(ActorKind.PEER, "OTHER", "10.1.1.2")


def brought(by: Actor) -> Arrival:
    arrived = arrival(dataset(object_of(IMAGE)), NOW)
    arrived.entry.instance_row.update(by.columns("brought_by"))
    arrived.comparisons_left = 1
    return arrived


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_senders_take_turns_and_what_is_too_much_is_left_to_the_background(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparers, "_AT_ONCE", 1)
    monkeypatch.setattr(comparers, "_MOST_OF_ONE", 2)
    begun, go_on = threading.Event(), threading.Event()

    def compare(*_: Any) -> None:
        begun.set()
        assert go_on.wait(30)

    monkeypatch.setattr(comparers, "compare_arrival", compare)
    compared: list[str] = []
    asked = Comparers(catalog, lambda *_: pytest.fail("Nothing is opened"))

    def ask(name: str, by: Actor) -> Arrival:
        arrived = brought(by)
        asked.compare(arrived, lambda: compared.append(name))
        return arrived

    ask("first", MANY)
    assert begun.wait(30)
    ask("second", MANY)
    ask("third", RENAMED)
    too_much = ask("fourth", RENAMED)
    assert compared == ["fourth"]
    assert (too_much.is_compared_later, too_much.comparisons_left) == (True, 0)
    ask("of another", OTHER)
    go_on.set()
    asked.close()
    assert compared == ["fourth", "first", "second", "of another", "third"]
