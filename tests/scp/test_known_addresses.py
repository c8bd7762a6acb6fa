"""From which addresses somebody may call, whatever name servers do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from kinote.dimse import invoking
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import DimseError
from kinote.dimse.invoking import VERIFICATION
from kinote.peers.entities import KnownEntity
from kinote.scp.known_addresses import KnownAddresses
from tests.dimse.ends import eventually, nothing_left
from tests.scp.face import OPTIONS, face


def nobody_asked(name: str) -> Iterable[str]:
    raise AssertionError(f"{name} was looked up")


@pytest.mark.parametrize(
    ("address", "is_known"),
    [
        ("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("10.1.2.4", False), ("fe80::1", True), ("fe80::1%eth0", True),
        ("2001:db8::1", True), ("2001:0DB8:0::1", True), ("2001:db8::2", False), ("", False), ("no address", False),
    ],
)  # fmt: skip
def test_addresses_are_known_without_a_look_up(address: str, is_known: bool) -> None:
    known = KnownAddresses(["10.1.2.3", "fe80::1", "2001:DB8:0:0::1"], nobody_asked)
    assert known.is_known(address) is is_known


def test_names_are_looked_up_elsewhere_and_everyone_is_known_until_then() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(name: str) -> Iterable[str]:
        asked.set()
        go_on.wait(20)
        return ["10.0.0.7"]

    known = KnownAddresses(["ct.example", "10.0.0.1"], slow)
    try:
        assert asked.wait(20)
        assert known.is_known("10.0.0.9")
        go_on.set()
        eventually(lambda: not known.is_known("10.0.0.9"), "the name is not found")
        assert known.is_known("10.0.0.7")
        assert known.is_known("10.0.0.1")
    finally:
        go_on.set()
        known.close()


def test_a_name_keeps_its_addresses_while_it_is_not_found() -> None:
    answers: list[list[str] | None] = [["10.0.0.7"], None, ["10.0.0.8"]]

    def look_up(name: str) -> Iterable[str]:
        found = answers.pop(0)
        if found is None:
            raise OSError("Temporary failure in name resolution")
        return found

    known = KnownAddresses(["ct.example"], look_up)
    eventually(lambda: known.is_known("10.0.0.7") and not known.is_known("10.0.0.8"), "it is not found")
    known.look_up()
    assert known.is_known("10.0.0.7")
    known.look_up()
    assert (known.is_known("10.0.0.7"), known.is_known("10.0.0.8")) == (False, True)
    known.close()


def entities(hosts: dict[str, str | None]) -> list[KnownEntity]:
    return [KnownEntity(ApplicationEntity(title, host, None)) for title, host in hosts.items()]


@pytest.mark.parametrize(
    ("hosts", "unknown_callers", "is_closed"),
    [
        ({"CT": "10.1.2.3"}, False, True),
        ({"CT": "10.1.2.3", "TESTER": "127.0.0.1"}, False, False),
        ({"CT": "10.1.2.3", "TESTER": None}, False, False),
        ({"CT": "10.1.2.3"}, True, False),
        ({}, True, False),
    ],
)
def test_only_addresses_of_entities_get_a_word_where_only_entities_may_call(
    tmp_path: Path, hosts: dict[str, str | None], unknown_callers: bool, is_closed: bool
) -> None:
    options = replace(OPTIONS, unknown_callers=unknown_callers)
    with nothing_left(), face(tmp_path / "data", options, *entities(hosts)) as house:
        if not is_closed:
            with house.called(VERIFICATION) as association:
                assert invoking.echo(association).status == 0
            return
        with socket.create_connection((house.host, house.port)) as sock:
            sock.settimeout(20)
            assert sock.recv(1) == b""
        with pytest.raises(DimseError), house.called(VERIFICATION):
            pass
