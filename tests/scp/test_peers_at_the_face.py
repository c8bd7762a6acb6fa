"""Peers at the DICOM face: what is changed of them holds at once, and a name that cannot be resolved stops nobody."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from kinote.dimse import invoking
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import BrokenError, RejectedError
from kinote.peers.known import PeersInUse
from kinote.peers.peer import WantedPeer
from kinote.peers.reaching.resolving import HostNames
from kinote.scp.options import ScpOptions
from tests.peers.known import as_peer, known
from tests.peers.wanted import added, archive, changed, dimse, removed
from tests.scp.face import OPTIONS, Face, face

NAMED = ScpOptions(port=0, unknown_callers=False)
#: Nobody who may call has this address.
CLOSED = "closed"
FOR_GOOD, FOR_NOW = "permanently: it does not know our AE title", "temporarily: it does not know our AE title"


def is_let_in(opened: Face, title: str = "CT1") -> str:
    """`yes`, or why not."""
    try:
        with opened.called(invoking.VERIFICATION, title=title):
            return "yes"
    except RejectedError as error:
        return str(error)
    except BrokenError:
        return CLOSED


def test_what_is_changed_holds_for_the_next_association(tmp_path: Path) -> None:
    with face(tmp_path / "data", NAMED) as opened:
        catalog = opened.rooms.catalog
        rooms = replace(opened.rooms, peers=PeersInUse(catalog))
        opened.server._rooms = rooms
        assert is_let_in(opened) == CLOSED
        peer = added(catalog, archive("Scanner", dimse("CT1", "127.0.0.1")))
        rooms.peers.refresh()
        assert is_let_in(opened) == "yes"
        peer = changed(catalog, peer, archive("Scanner", dimse("CT2", "127.0.0.1")))
        rooms.peers.refresh()
        assert (FOR_GOOD in is_let_in(opened), is_let_in(opened, "CT2")) == (True, "yes")
        removed(catalog, peer)
        rooms.peers.refresh()
        assert is_let_in(opened, "CT2") == CLOSED


@pytest.mark.parametrize(
    ("options", "wanted", "said"),
    [
        (NAMED, WantedPeer("A", ae_titles=("CT1",)), "yes"),
        (NAMED, WantedPeer("A", ae_titles=("CT1",), hosts=("192.0.2.1", "127.0.0.1")), "yes"),
        (NAMED, WantedPeer("A", ae_titles=("CT1",), hosts=("192.0.2.1",)), CLOSED),
        # One that is disabled is not an unknown one.
        (OPTIONS, WantedPeer("A", ae_titles=("CT1",), is_enabled=False), FOR_GOOD),
        (replace(NAMED, hosts_needed=True), WantedPeer("A", ae_titles=("CT1",)), FOR_GOOD),
        # It is called by this title, and calls by none.
        (NAMED, replace(archive("A", dimse("CT1")), ae_titles=()), CLOSED),
    ],
)
def test_a_peer_is_let_in_by_title_and_host(
    tmp_path: Path, options: ScpOptions, wanted: WantedPeer, said: str
) -> None:
    with face(tmp_path / "data", options, as_peer(wanted)) as opened:
        assert said in is_let_in(opened)


def test_a_name_that_nobody_answers_for_is_rejected_for_now_and_stops_nobody(tmp_path: Path) -> None:
    release = threading.Event()
    begun = threading.Event()

    def look_up(host: str) -> frozenset[str]:
        if host == "slow.example":
            begun.set()
            release.wait(60)
            return frozenset({"127.0.0.1"})
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    names = HostNames(look_up, patience=0.2)
    peers = PeersInUse.only(
        known(ApplicationEntity("CT1", "slow.example")),
        known(ApplicationEntity("CT2", "127.0.0.1")),
        known(ApplicationEntity("CT3", "failing.example")),
        names=names,
    )
    with face(tmp_path / "data", NAMED) as opened:
        opened.server._rooms = replace(opened.rooms, peers=peers)
        assert begun.wait(60)
        assert FOR_NOW in is_let_in(opened)
        assert is_let_in(opened, "CT2") == "yes"
        assert FOR_NOW in is_let_in(opened, "CT3")
        release.set()
        assert names.is_at(["slow.example"], "127.0.0.1") is not False
        while names.may_be("slow.example", "192.0.2.1"):
            pass
        assert is_let_in(opened) == "yes"
