"""Adding, changing and removing peers and destinations, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.peers import acts, destination_acts, lists
from kinote.peers.destination import Content, Destination, Policy
from kinote.peers.entities import ServiceName
from kinote.peers.peer import Endpoint, EndpointKind, Peer, PeerRight, WantedPeer
from kinote.peers.refusals import (
    NotManagedHereError,
    PeerNotFoundError,
    PeerVersionError,
    RefusedPeerError,
)
from tests.actors import ROE
from tests.clock import clock
from tests.peers.wanted import added, archive, changed, dimse, removed, sending_to

FOLDER = Endpoint(EndpointKind.FOLDER, path="/srv/out")
WEB = Endpoint(EndpointKind.DICOMWEB, url="https://archive.example/dicomweb")
MLLP = Endpoint(EndpointKind.MLLP, host="hl7.example", port=2575)


def read(catalog: Catalog, key: int) -> Peer:
    with catalog.read() as connection:
        return lists.peer(connection, key)


def in_use(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        return [peer.name for peer in lists.peers_in_use(connection)]


def fields(refused: pytest.ExceptionInfo[RefusedPeerError]) -> set[str]:
    return {fault.field for fault in refused.value.faults}


def test_a_peer_is_as_it_was_wanted(catalog: Catalog) -> None:
    wanted = WantedPeer(
        "Archive",
        "In the cellar",
        ae_titles=("PACS1", "PACS2"),
        hosts=("pacs.example",),
        services=frozenset({ServiceName.STORE}),
        rights=frozenset({PeerRight.REJECT}),
        endpoints=(dimse(), WEB, MLLP, FOLDER),
    )
    peer = added(catalog, wanted)
    assert peer == read(catalog, peer.id)
    assert (peer.version, peer.origin, peer.ended_at) == (1, "people", None)
    assert [replace(each, id=None) for each in peer.endpoints] == list(wanted.endpoints)
    assert (peer.ae_titles, peer.hosts) == (("PACS1", "PACS2"), ("pacs.example",))
    assert (peer.services, peer.rights) == (wanted.services, wanted.rights)


def test_titles_and_hosts_that_are_not_said_are_those_of_its_endpoints(catalog: Catalog) -> None:
    peer = added(catalog, archive("A", dimse(), dimse("SECOND"), WEB))
    assert (peer.ae_titles, peer.hosts) == (("ARCHIVE", "SECOND"), ("10.1.2.3",))


def test_an_ae_title_belongs_to_one_peer(catalog: Catalog) -> None:
    first = added(catalog, archive())
    for wanted, field in (
        (WantedPeer("Other", ae_titles=("ARCHIVE",)), "ae_titles[0]"),
        (WantedPeer("Other", ae_titles=(), endpoints=(dimse(),)), "endpoints[0].ae_title"),
        (archive("Archive", dimse("OTHER")), "name"),
    ):
        with pytest.raises(RefusedPeerError) as refused:
            added(catalog, wanted)
        assert fields(refused) == {field}
    other = added(catalog, archive("Other", dimse("OTHER")))
    with pytest.raises(RefusedPeerError):
        changed(catalog, other, archive("Other", dimse("ARCHIVE")))
    removed(catalog, first)
    assert changed(catalog, other, archive("Archive", dimse())).ae_titles == ("ARCHIVE",)


def test_endpoints_keep_their_keys_by_key_by_address_and_by_kind(catalog: Catalog) -> None:
    peer = added(catalog, archive("A", dimse(), WEB, FOLDER))
    one, web, folder = (endpoint.id for endpoint in peer.endpoints)
    # By its key, though another has its address now; by its address; and the only one of its kind.
    moved = replace(FOLDER, path="/srv/other")
    peer = changed(catalog, peer, archive("A", dimse("ARCHIVE", "10.9.9.9", key=one), dimse(), WEB, moved))
    assert peer.version == 2
    found = {endpoint.address: endpoint.id for endpoint in peer.endpoints}
    assert found["ARCHIVE@10.9.9.9:104"] == one
    assert found["ARCHIVE@10.1.2.3:104"] not in (one, web, folder)
    assert (found[WEB.address], found["/srv/other"]) == (web, folder)
    # Two change places.
    second = found["ARCHIVE@10.1.2.3:104"]
    swapped = archive("A", dimse(key=one), dimse("ARCHIVE", "10.9.9.9", key=second))
    peer = changed(catalog, peer, swapped)
    assert {endpoint.id: endpoint.host for endpoint in peer.endpoints} == {
        one: "10.1.2.3",
        second: "10.9.9.9",
    }
    with pytest.raises(RefusedPeerError) as refused:
        changed(catalog, peer, archive("A", replace(FOLDER, id=one), dimse("B", key=folder)))
    assert fields(refused) == {"endpoints[0].kind", "endpoints[1].id"}


def test_endpoints_beyond_what_a_peer_has_are_not_looked_at(catalog: Catalog) -> None:
    many = archive("A", *(dimse(key=99) for _ in range(33)))
    peer = added(catalog, archive("A", dimse()))
    with pytest.raises(RefusedPeerError) as refused:
        changed(catalog, peer, many)
    assert fields(refused) == {"endpoints"}
    with pytest.raises(RefusedPeerError) as refused:
        added(catalog, many)
    assert fields(refused) == {"endpoints"}


def test_nobody_changes_what_another_has_changed(catalog: Catalog) -> None:
    seen = added(catalog, archive())
    changed(catalog, seen, archive("Renamed"))
    with pytest.raises(PeerVersionError, match="has the version 2 now, not 1"):
        changed(catalog, seen, archive("Mine"))
    assert in_use(catalog) == ["Renamed"]


def test_what_is_removed_stays_readable_and_leaves_its_name(catalog: Catalog) -> None:
    peer = added(catalog, archive("A", dimse(), FOLDER))
    # What it was not reached at any more when it ended is not among what it had then.
    peer = changed(catalog, peer, archive("A", dimse()))
    gone = removed(catalog, peer, seconds=1)
    assert gone == read(catalog, peer.id)
    assert gone.ended_at is not None and gone.version == 3
    assert gone.endpoints == peer.endpoints
    again = added(catalog, archive("A"))
    assert again.id != peer.id
    with pytest.raises(NotManagedHereError, match="has been removed"):
        removed(catalog, gone)
    with pytest.raises(NotManagedHereError, match="has been removed"):
        changed(catalog, gone, archive("A"))
    with pytest.raises(PeerNotFoundError):
        read(catalog, 99)


def test_pages_are_in_the_order_of_names(catalog: Catalog) -> None:
    for number, name in enumerate(("b", "c", "A", "é")):
        added(catalog, archive(name, dimse(f"T{number}")))
    gone = added(catalog, archive("B", dimse("GONE")))
    removed(catalog, gone)
    with catalog.read() as connection:
        first = lists.page_of_peers(connection, after=None, limit=2)
        rest = lists.page_of_peers(connection, after=(first[-1].name, first[-1].id), limit=9)
        everything = lists.page_of_peers(connection, after=None, limit=9, with_ended=True)
    assert [[peer.name for peer in page] for page in (first, rest)] == [["A", "b"], ["c", "é"]]
    assert [peer.name for peer in everything] == ["A", "B", "b", "c", "é"]
    assert [endpoint.ae_title for endpoint in everything[1].endpoints] == ["GONE"]


def test_a_destination_is_an_endpoint_with_a_policy(catalog: Catalog) -> None:
    peer = added(catalog, archive("A", dimse(), MLLP, FOLDER))
    by_dicom, by_mllp, by_folder = peer.endpoints
    policy = Policy(Content.KEY_IMAGES, associations=4, rejection_notes=True)

    def add(endpoint: Endpoint, policy: Policy, name: str = "Station") -> Destination:
        wanted = sending_to(endpoint, name, policy)
        return catalog.write(
            lambda transaction: destination_acts.add_destination(transaction, wanted, clock(), by=ROE)
        )

    found = add(by_dicom, policy)
    assert (found.policy, found.peer_name, found.address, found.hindrance) == (
        policy,
        "A",
        "ARCHIVE@10.1.2.3:104",
        "",
    )
    for endpoint, policy, name, refused_field in (
        (by_mllp, Policy(), "B", "endpoint"),
        (by_folder, Policy(associations=2), "B", "policy.associations"),
        (by_dicom, Policy(associations=33), "B", "policy.associations"),
        (replace(by_dicom, id=99), Policy(), "B", "endpoint"),
        (by_dicom, Policy(), "Station", "name"),
        (by_dicom, Policy(), " B", "name"),
    ):
        with pytest.raises(RefusedPeerError) as refused:
            add(endpoint, policy, name)
        assert fields(refused) == {refused_field}


@pytest.mark.parametrize("name", ["A\0", "\ud800"])
def test_a_name_that_cannot_be_is_not_looked_for(name: str, catalog: Catalog) -> None:
    """PostgreSQL refuses to look for it."""
    wanted = sending_to(added(catalog, archive("A", dimse())).endpoints[0], name)
    with pytest.raises(RefusedPeerError) as refused:
        catalog.write(
            lambda transaction: destination_acts.add_destination(transaction, wanted, clock(), by=ROE)
        )
    assert fields(refused) == {"name"}


def test_a_peer_stays_where_something_is_sent_to(catalog: Catalog) -> None:
    peer = added(catalog, archive("A", dimse(), FOLDER))
    wanted = sending_to(peer.endpoints[0])
    made = catalog.write(
        lambda transaction: destination_acts.add_destination(transaction, wanted, clock(), by=ROE)
    )
    with pytest.raises(NotManagedHereError, match="'Station'"):
        removed(catalog, peer)
    with pytest.raises(NotManagedHereError, match="'Station'"):
        changed(catalog, peer, archive("A", FOLDER))
    # It may move, and what is sent there goes with it.
    peer = changed(catalog, peer, archive("A", dimse("ARCHIVE", "10.9.9.9"), FOLDER))

    def now() -> Destination:
        with catalog.read() as connection:
            return destination_acts.destination(connection, made.id)

    assert now().address == "ARCHIVE@10.9.9.9:104"
    peer = changed(catalog, peer, replace(archive("A", dimse("ARCHIVE", "10.9.9.9")), is_enabled=False))
    assert now().hindrance == "The peer 'A' is disabled."

    def remove(version: int | None) -> Destination:
        return catalog.write(
            lambda transaction: destination_acts.remove_destination(
                transaction, made.id, clock(), expected_version=version, by=ROE
            )
        )

    with pytest.raises(PeerVersionError):
        remove(7)
    assert remove(1).hindrance == "The destination has been removed."
    with pytest.raises(NotManagedHereError):
        remove(None)
    removed(catalog, peer)
    assert in_use(catalog) == []


def test_two_who_add_the_same_title_at_once_are_told_apart(catalog: Catalog) -> None:
    """On PostgreSQL several writers work at once."""

    def adding(name: str) -> Callable[[Connection], Peer]:
        return lambda transaction: acts.add_peer(
            transaction, archive(name), clock(), hosts_needed=False, by=ROE
        )

    asked = [catalog.submit(adding(str(number))) for number in range(8)]
    outcomes = [future.exception() for future in asked]
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, RefusedPeerError) for outcome in outcomes) == 7
