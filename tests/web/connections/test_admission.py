"""Which connections are let in, and which give way."""

from __future__ import annotations

import pytest

from kinote.web.connections.admission import Admission, Refusal


class Door:
    """An admission of connections that are numbers, and those that have given way."""

    def __init__(self, total: int = 10, per_address: int = 3, proxy: str = "") -> None:
        self.gave_way: list[int] = []
        self.admission: Admission[int] = Admission(
            total, per_address, self.gave_way.append, lambda address: address == proxy
        )

    def enter(self, number: int, address: str = "a", *, busy: bool = True) -> Refusal | None:
        refusal = self.admission.enter(number, address)
        if refusal is None and busy:
            self.admission.busy(number)
        return refusal


def test_an_address_has_so_many_connections() -> None:
    door = Door()
    assert [door.enter(number) for number in range(4)] == [None, None, None, Refusal.CONNECTIONS_OF_ADDRESS]
    assert door.enter(4, "b") is None
    door.admission.leave(1)
    assert door.enter(5) is None
    assert door.gave_way == []


def test_all_addresses_have_so_many_together() -> None:
    door = Door(total=2)
    assert [door.enter(number, str(number)) for number in range(3)] == [None, None, Refusal.CONNECTIONS]
    door.admission.leave(0)
    assert door.enter(3, "3") is None


def test_a_proxy_has_as_many_as_there_may_be() -> None:
    door = Door(total=5, proxy="p")
    assert [door.enter(number, "p") for number in range(6)] == [None] * 5 + [Refusal.CONNECTIONS]


def test_the_connection_that_was_idle_longest_gives_way() -> None:
    door = Door()
    for number in (1, 2, 3):
        door.enter(number, busy=False)
    door.admission.busy(1)
    door.admission.idle(1)
    assert [door.enter(number) for number in (4, 5, 6, 7)] == [None] * 3 + [Refusal.CONNECTIONS_OF_ADDRESS]
    assert door.gave_way == [2, 3, 1]


def test_those_of_another_address_give_way_only_where_all_are_too_many() -> None:
    door = Door(total=4)
    door.enter(1, "b", busy=False)
    assert [door.enter(number) for number in (2, 3, 4)] == [None] * 3
    assert door.enter(5) is Refusal.CONNECTIONS_OF_ADDRESS
    assert door.gave_way == []
    assert door.enter(6, "c") is None
    assert door.gave_way == [1]


def test_whoever_has_left_counts_no_more() -> None:
    door = Door(total=1)
    for number in range(5):
        assert door.enter(number) is None
        door.admission.leave(number)
        door.admission.leave(number)
        door.admission.idle(number)
    assert len(door.admission) == 0
    assert vars(door.admission)["_by_address"] == {}
    assert vars(door.admission)["_idle_by_address"] == {}


@pytest.mark.parametrize("number", [100, 1000])
def test_what_an_arrival_costs_does_not_grow_with_the_connections(number: int) -> None:
    """Nothing is looked through: each step asks for one of them at most."""
    hashed = 0

    class Counted:
        def __hash__(self) -> int:
            nonlocal hashed
            hashed += 1
            return id(self)

        __eq__ = object.__eq__

    admission: Admission[Counted] = Admission(number, number, lambda each: None)
    for _ in range(number):
        admission.enter(Counted(), "a")
    hashed = 0
    admission.enter(Counted(), "a")
    assert hashed < 30
