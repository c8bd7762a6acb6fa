"""The catalog: transactions, group commit, many readers beside the writers."""

from __future__ import annotations

from sqlalchemy import Connection, select

from kinote.catalog.catalog import Catalog
from kinote.catalog.tables import house


def remember(transaction: Connection, name: str, value: str = "") -> str:
    transaction.execute(house.insert(), [{"name": name, "value": value}])
    return name


def names(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        return list(connection.execute(select(house.c.name).order_by(house.c.name)).scalars())


def test_what_was_written_is_read(catalog: Catalog) -> None:
    assert catalog.write(lambda transaction: remember(transaction, "a")) == "a"
    assert names(catalog) == ["a"]
