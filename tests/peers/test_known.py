"""The peers in memory: looked up without the index, and up to date."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.peers.known import PeersInUse
from kinote.peers.peer import WantedPeer
from kinote.peers.reaching.resolving import HostNames
from tests.peers.known import as_peer
from tests.peers.wanted import added, archive, changed, dimse, removed

#: Seconds that something which must happen may take on a busy machine.
LIMIT = 60


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_peer_is_found_by_name_and_by_its_titles(catalog: Catalog) -> None:
    peer = added(
        catalog, WantedPeer("Archive", ae_titles=("CALLS",), endpoints=(dimse("FIRST"), dimse("SECOND")))
    )
    # A name goes before a title.
    other = added(catalog, archive("FIRST", dimse("OTHER")))
    known = PeersInUse(catalog).known
    assert [known.find(name) for name in ("Archive", "CALLS", "SECOND", "FIRST", "NONE")] == [
        peer,
        peer,
        peer,
        other,
        None,
    ]
    assert known.callers.keys() == {"CALLS", "OTHER"}
    assert [known.move_destination(title) for title in ("SECOND", "CALLS")] == [
        (peer, peer.endpoints[1]),
        None,
    ]


def test_a_disabled_peer_is_known_and_not_called(catalog: Catalog) -> None:
    added(catalog, replace(archive(), is_enabled=False))
    known = PeersInUse(catalog).known
    assert known.move_destination("ARCHIVE") is None
    assert not known.callers["ARCHIVE"].is_enabled


def test_a_change_is_there_after_it_was_read_anew(catalog: Catalog) -> None:
    in_use = PeersInUse(catalog)
    assert in_use.known.find("Archive") is None
    peer = added(catalog, archive())
    in_use.refresh()
    before = in_use.known
    assert before.find("Archive") == peer
    in_use.refresh()
    # Where nothing has changed nothing is read.
    assert in_use.known is before
    removed(catalog, changed(catalog, peer, archive("Other")))
    in_use.refresh()
    assert not in_use.known.by_name


def test_what_another_server_changes_is_seen(postgresql_catalog: Catalog, postgresql_url: str) -> None:
    elsewhere = Catalog(CatalogOptions(postgresql_url, writers=1, readers=2))
    here = PeersInUse(postgresql_catalog)
    here.follow()
    try:
        peer = added(elsewhere, archive())
        until(lambda: here.known.find("Archive") == peer)
        removed(elsewhere, peer)
        until(lambda: here.known.find("Archive") is None)
    finally:
        here.close()
        elsewhere.close()


def test_a_failure_to_read_them_ends_nothing(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    here = PeersInUse(catalog)
    here.follow()
    read, fails = PeersInUse.refresh, [True]

    def refresh(self: PeersInUse) -> None:
        if fails:
            fails.pop()
            raise OSError("The index is not there")
        read(self)

    monkeypatch.setattr(PeersInUse, "refresh", refresh)
    try:
        added(catalog, archive())
        until(lambda: not fails)
        added(catalog, archive("Second", dimse("SECOND")))
        until(lambda: len(here.known.by_name) == 2)
    finally:
        here.close()


def test_who_may_call_is_told_by_address_without_waiting() -> None:
    names = HostNames(lambda host: frozenset({"10.0.0.7"}))
    in_use = PeersInUse(names=names)
    # Nobody is known: nobody calls.
    assert not in_use.may_call_from("10.0.0.7")
    assert names.is_at(["ct.example"], "10.0.0.7")
    peer = replace(
        archive("CT", dimse("CT", "10.0.0.8")), hosts=("ct.example", "10.0.0.8", "::1"), ae_titles=("CT",)
    )
    in_use = PeersInUse.only(as_peer(peer), names=names)
    asked = ("10.0.0.7", "10.0.0.8", "::ffff:10.0.0.8", "::1", "10.0.0.9")
    assert [in_use.may_call_from(address) for address in asked] == [True, True, True, True, False]
    # From anywhere.
    assert PeersInUse.only(as_peer(replace(peer, hosts=()))).may_call_from("10.0.0.9")
    # Not yet resolved: it may be.
    assert PeersInUse.only(as_peer(replace(peer, hosts=("new.example",)))).may_call_from("10.0.0.9")
