"""Who is let in, and that all are watched."""

from __future__ import annotations

import asyncio

import pytest

from kinote.web.connections.admission import Refusal
from kinote.web.connections.doorkeeper import Doorkeeper
from kinote.web.connections.proxies import TrustedProxies


class Connection:
    """A connection that counts the looks at it."""

    looks = 0

    def look(self, now: float) -> None:
        self.looks += 1

    def give_way(self) -> None:
        raise AssertionError("there is room")


class Faulty(Connection):
    """A connection that cannot be looked at."""

    def look(self, now: float) -> None:
        raise NotImplementedError


def test_a_connection_that_cannot_be_looked_at_keeps_nobody_from_looking_at_the_others() -> None:
    connections = [Connection(), Faulty(), Connection()]

    async def watched() -> None:
        door = Doorkeeper()
        for each in connections:
            door.enter(each, "192.0.2.1")
        door._sweep()
        assert door._timer is not None
        for each in connections:
            door.left(each)

    asyncio.run(watched())
    assert [each.looks for each in connections] == [1, 0, 1]


@pytest.mark.parametrize(
    ("address", "own", "refusal"),
    [
        ("127.0.0.1", "127.0.0.1", None),
        ("::1", "::1", None),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", None),
        ("10.1.2.1", "10.1.2.1", None),
        ("::ffff:10.1.2.1", "::ffff:10.1.2.1", None),
        ("10.1.2.9", "10.1.2.1", None),
        ("::ffff:10.1.2.9", "::ffff:10.1.2.1", None),
        ("10.1.2.7", "10.1.2.1", Refusal.NOT_BY_PROXY),
        ("", "", Refusal.NOT_BY_PROXY),
    ],
)
def test_only_the_proxy_and_this_machine_are_let_in_without_tls(
    address: str, own: str, refusal: Refusal | None
) -> None:
    async def entered() -> Refusal | None:
        door = Doorkeeper(is_proxy=TrustedProxies(["10.1.2.9"]).has, only_by_proxy=True)
        connection = Connection()
        try:
            return door.enter(connection, address, own)
        finally:
            door.left(connection)

    assert asyncio.run(entered()) == refusal
