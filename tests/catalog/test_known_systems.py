"""The tables of other systems: what they take, and what they refuse."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from kinote.catalog.schema.tables import destination, endpoint, location, node, peer
from kinote.catalog.transactions.catalog import Catalog
from tests.catalog.archive import data_set, store

NOW = "2026-11-30T05:00:00.000000+00:00"


def archive(transaction: Connection, name: str) -> int:
    row = {"name": name, "added_at": NOW, "changed_at": NOW}
    return int(transaction.execute(peer.insert().returning(peer.c.id), row).scalar_one())


def test_an_archive_holds_an_instance_once(catalog: Catalog) -> None:
    (one,) = store(catalog, data_set("1.1", "1.1.1", "1.1.1.1"))
    pacs = catalog.write(lambda transaction: archive(transaction, "PACS"))
    row = {"instance": one.instance, "archive": pacs, "evidence": "acknowledged", "at": NOW}

    def say(transaction: Connection) -> None:
        transaction.execute(location.insert(), row)

    catalog.write(say)
    with pytest.raises(IntegrityError):
        catalog.write(say)
    with pytest.raises(IntegrityError):
        catalog.write(
            lambda transaction: transaction.execute(location.insert(), {**row, "archive": pacs + 1})
        )


def test_a_peer_has_endpoints_and_a_destination_is_one_of_them(catalog: Catalog) -> None:
    pacs = catalog.write(lambda transaction: archive(transaction, "PACS"))
    reached = {"peer": pacs, "kind": "dimse", "address": "PACS@pacs.example:11112"}

    def reach(transaction: Connection) -> int:
        return int(transaction.execute(endpoint.insert().returning(endpoint.c.id), reached).scalar_one())

    there = catalog.write(reach)
    with pytest.raises(IntegrityError):
        catalog.write(reach)
    wanted = {"name": "Archive", "endpoint": there, "added_at": NOW, "changed_at": NOW}
    catalog.write(lambda transaction: transaction.execute(destination.insert(), wanted))
    with pytest.raises(IntegrityError):
        catalog.write(lambda transaction: transaction.execute(destination.insert(), wanted))
    with pytest.raises(IntegrityError):
        catalog.write(lambda transaction: archive(transaction, "PACS"))

    # What has ended leaves its name to others.
    def end(transaction: Connection) -> None:
        for table in (destination, endpoint, peer):
            transaction.execute(table.update().values(ended_at=NOW))

    catalog.write(end)
    catalog.write(lambda transaction: transaction.execute(destination.insert(), wanted))
    catalog.write(lambda transaction: archive(transaction, "PACS"))


def test_a_node_has_an_id_of_its_own(catalog: Catalog) -> None:
    row = {"id": "7f", "host": "one", "started_at": NOW, "heartbeat_at": NOW}
    catalog.write(lambda transaction: transaction.execute(node.insert(), row))
    with pytest.raises(IntegrityError):
        catalog.write(lambda transaction: transaction.execute(node.insert(), row))
