"""What the columns of all tables are made of."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Text
from sqlalchemy.types import TypeEngine

metadata = MetaData()

#: SQLite gives only `INTEGER PRIMARY KEY` the speed of the row id.
Key: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

#: Bytewise comparison on both databases: SQLite's default, PostgreSQL's collation "C".
Matched: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")


def key(name: str = "id") -> Column[int]:
    """The integer key of a table."""
    return Column(name, Key, primary_key=True)


def to(name: str, target: str, **options: object) -> Column[int]:
    """A column with the key of a row of another table."""
    return Column(name, Key, ForeignKey(target), **options)  # type: ignore[arg-type]


def matched(name: str) -> Column[str]:
    """A text that queries match against; empty where it is absent."""
    return Column(name, Matched, nullable=False, server_default="")


def actor(prefix: str) -> list[Column[str]]:
    """Who did something: kind, name, address (`kinote.security.actors`). An empty kind: it was not recorded."""
    return [matched(f"{prefix}_{part}") for part in ("kind", "name", "address")]


def person_name(name: str) -> list[Column[str]]:
    """The three component groups of a PN (PS3.5 6.2.1), each matched by itself."""
    return [matched(f"{name}_{group}") for group in ("alphabetic", "ideographic", "phonetic")]
