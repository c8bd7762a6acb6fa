"""Facts about the index itself, each a name and a value (table `house`)."""

from __future__ import annotations

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import index_fact


def fact(connection: Connection, name: str) -> str | None:
    """Return the value of a fact; None if there is none."""
    return connection.execute(
        select(index_fact.c.value).where(index_fact.c.name == name)
    ).scalar_one_or_none()


def write_fact(transaction: Connection, name: str, value: str) -> None:
    """Write a fact, replacing its previous value."""
    updated = transaction.execute(index_fact.update().where(index_fact.c.name == name).values(value=value))
    if updated.rowcount == 0:
        transaction.execute(index_fact.insert(), {"name": name, "value": value})
