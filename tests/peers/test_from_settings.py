"""Peers and destinations of the settings as rows, with one server and with several on one index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from kinote.catalog.known_systems import peer_rows
from kinote.catalog.nodes import Node
from kinote.catalog.transactions.catalog import Catalog
from kinote.peers import destination_acts, lists
from kinote.peers.destination import Destination, Policy
from kinote.peers.from_settings import SettingsDestination, mirror
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Peer, WantedPeer
from kinote.peers.refusals import NotManagedHereError
from tests.actors import ROE
from tests.clock import clock
from tests.peers.wanted import added, archive, changed, dimse, removed, sending_to

CT = WantedPeer("CT1", ae_titles=("CT1",), hosts=("10.1.2.3",))
PACS = archive("ARCHIVE")
SENT = SettingsDestination("Archive", "ARCHIVE")


def started(
    catalog: Catalog,
    *peers: WantedPeer,
    node: str = "one",
    destinations: Sequence[SettingsDestination] = (),
) -> list[str]:
    """A server starts with these settings; what it says about them."""
    return catalog.write(lambda transaction: mirror(transaction, peers, destinations, node, clock()))


def in_use(catalog: Catalog) -> dict[str, Peer]:
    with catalog.read() as connection:
        return {peer.name: peer for peer in lists.peers_in_use(connection)}


def destinations(catalog: Catalog) -> dict[str, Destination]:
    with catalog.read() as connection:
        found = destination_acts.page_of_destinations(connection, after=None, limit=99)
    return {each.name: each for each in found}


def test_entities_are_rows_and_read_only(catalog: Catalog) -> None:
    assert started(catalog, CT, PACS) == []
    found = in_use(catalog)
    assert {name: peer.origin for name, peer in found.items()} == {"CT1": "settings", "ARCHIVE": "settings"}
    with pytest.raises(NotManagedHereError, match="comes from the settings"):
        removed(catalog, found["CT1"])
    with pytest.raises(NotManagedHereError, match="comes from the settings"):
        changed(catalog, found["CT1"], CT)


def test_starting_again_with_the_same_settings_changes_nothing(catalog: Catalog) -> None:
    started(catalog, CT, PACS, destinations=[SENT])
    before = in_use(catalog), destinations(catalog)
    assert started(catalog, CT, PACS, destinations=[SENT], node="two") == []
    assert (in_use(catalog), destinations(catalog)) == before


def test_an_entity_that_moves_is_the_same_peer_and_endpoint(catalog: Catalog) -> None:
    started(catalog, PACS, destinations=[SENT])
    before = in_use(catalog)["ARCHIVE"]
    started(catalog, archive("ARCHIVE", dimse("ARCHIVE", "10.9.9.9")), destinations=[SENT])
    after = in_use(catalog)["ARCHIVE"]
    assert (after.id, after.version, after.endpoints[0].id) == (before.id, 2, before.endpoints[0].id)
    assert destinations(catalog)["Archive"].address == "ARCHIVE@10.9.9.9:104"


def test_what_is_taken_out_ends_and_is_the_same_when_it_is_back(catalog: Catalog) -> None:
    """As where a server is started once in another folder, without its settings file."""
    started(catalog, CT, PACS, destinations=[SENT])
    by_people = sending_to(in_use(catalog)["ARCHIVE"].endpoints[0], "By people")
    catalog.write(
        lambda transaction: destination_acts.add_destination(transaction, by_people, clock(), by=ROE)
    )
    before = in_use(catalog), destinations(catalog)
    started(catalog)
    assert in_use(catalog) == {}
    assert {name: each.hindrance for name, each in destinations(catalog).items()} == {
        "By people": "The peer 'ARCHIVE' has been removed."
    }
    assert started(catalog, CT, PACS, destinations=[SENT]) == []
    again = in_use(catalog), destinations(catalog)
    assert {name: peer.id for name, peer in again[0].items()} == {
        name: peer.id for name, peer in before[0].items()
    }
    assert {name: (each.id, each.hindrance) for name, each in again[1].items()} == {
        name: (each.id, "") for name, each in before[1].items()
    }


def test_a_peer_that_people_had_added_becomes_that_of_the_settings(catalog: Catalog) -> None:
    by_people = added(catalog, replace(PACS, description="by people"))
    (remark,) = started(catalog, PACS)
    assert remark == "The settings now manage the peer 'ARCHIVE', which a user had added."
    found = in_use(catalog)["ARCHIVE"]
    assert (found.id, found.origin, found.description) == (by_people.id, "settings", "")
    assert found.endpoints[0].id == by_people.endpoints[0].id


def test_the_settings_go_before_a_peer_of_another_name_with_the_title(catalog: Catalog) -> None:
    added(catalog, archive("By people", dimse("CT1", "10.7.7.7")))
    (remark,) = started(catalog, CT)
    assert "'By people' has the AE title 'CT1'" in remark
    known = PeersInUse(catalog).known
    assert known.callers["CT1"].origin == "settings"


def test_a_destination_without_its_peer_is_left_out_and_told(catalog: Catalog) -> None:
    many = SettingsDestination("Many", "ARCHIVE", policy=Policy(associations=99))
    remarks = started(
        catalog,
        CT,
        PACS,
        destinations=[SettingsDestination("A", "CT1"), SettingsDestination("B", "NONE"), many],
    )
    assert [remark.split("'")[1] for remark in remarks] == ["A", "B", "Many"]
    assert destinations(catalog) == {}


def test_a_destination_of_the_settings_is_read_only(catalog: Catalog) -> None:
    started(catalog, PACS, destinations=[SENT])
    found = destinations(catalog)["Archive"]
    with pytest.raises(NotManagedHereError, match=r"\[\[destinations\]\]"):
        catalog.write(
            lambda transaction: destination_acts.remove_destination(
                transaction, found.id, clock(), expected_version=None, by=ROE
            )
        )


def test_a_row_is_in_use_while_one_server_that_lives_names_it(postgresql_catalog: Catalog) -> None:
    catalog = postgresql_catalog
    first, second = (Node(catalog, "here", clock) for _ in range(2))
    started(catalog, CT, node=first.id)
    started(catalog, PACS, node=second.id)
    assert set(in_use(catalog)) == {"CT1", "ARCHIVE"}
    (remark,) = started(catalog, archive("ARCHIVE", dimse("ARCHIVE", "10.9.9.9")), node=first.id)
    assert "differs in the settings of another server" in remark
    # The first no longer names the scanner, the second never did.
    assert set(in_use(catalog)) == {"ARCHIVE"}
    second.close()
    started(catalog, CT, node=first.id)
    assert set(in_use(catalog)) == {"CT1"}
    first.close()


def test_every_change_is_noticed(catalog: Catalog) -> None:
    def revision() -> int:
        with catalog.read() as connection:
            return peer_rows.revision(connection)

    seen = [revision()]
    started(catalog, CT)
    seen.append(revision())
    peer = added(catalog, PACS)
    seen.append(revision())
    removed(catalog, peer)
    seen.append(revision())
    assert seen == sorted(set(seen))
