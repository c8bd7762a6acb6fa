"""Kinds of columns that all tables use."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Text
from sqlalchemy.types import TypeEngine

metadata = MetaData()

#: Only `INTEGER PRIMARY KEY` is as fast as SQLite's row id.
Key: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

#: Bytewise comparison on both databases: the default of SQLite, collation "C" of PostgreSQL.
Matched: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")


def key(name: str = "id") -> Column[int]:
    """Return the integer key of a table."""
    return Column(name, Key, primary_key=True)


def to(name: str, target: str, **options: object) -> Column[int]:
    """Return a column with the key of a row in another table."""
    return Column(name, Key, ForeignKey(target), **options)  # type: ignore[arg-type]


def matched(name: str) -> Column[str]:
    """Return a text column that queries match; '' if the value is absent."""
    return Column(name, Matched, nullable=False, server_default="")


def actor(prefix: str) -> list[Column[str]]:
    """Define the columns of an actor: kind, name, address (`kinote.security.actors`). An empty kind: not recorded."""
    return [matched(f"{prefix}_{part}") for part in ("kind", "name", "address")]


def person_name(name: str) -> list[Column[str]]:
    """Return the columns of the three component groups of a PN (PS3.5 6.2.1)."""
    return [matched(f"{name}_{group}") for group in ("alphabetic", "ideographic", "phonetic")]
