"""What a day does to the index never walks through a table that grows with what is stored."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

from tests.laws.conftest import OpenProduct
from tests.laws.day import a_day

#: Tables of which an installation has few rows, whatever it stores.
SMALL = {"house", "owed_removal", "json_each", "alembic_version", "sqlite_master", "sqlite_schema"}

_LITERALS = re.compile(r"'(?:[^']|'')*'|\b\d+\b")


@contextmanager
def statements_of_sqlite() -> Iterator[dict[str, str]]:
    """All statements of connections opened meanwhile, one with its values of each form."""
    seen: dict[str, str] = {}

    def trace(statement: str) -> None:
        seen.setdefault(_LITERALS.sub("?", statement), statement)

    def connected(connection: Any, _record: object) -> None:
        connection.set_trace_callback(trace)

    event.listen(Pool, "connect", connected)
    try:
        yield seen
    finally:
        event.remove(Pool, "connect", connected)


def test_a_day_walks_through_no_table(open_sqlite_product: OpenProduct) -> None:
    with statements_of_sqlite() as seen, open_sqlite_product() as acts:
        a_day(acts)
        for path in (
            "notes",
            "studies",
            "held",
            "findings",
            "changes",
            "instances/to-register",
            "migrations/waiting",
        ):
            acts.product.get(f"/api/v1/{path}")
        acts.product.get("/api/v1/notes", text="Nodule")
        walks = walks_of(acts.product._options.url.removeprefix("sqlite:///"), seen.values())
    assert len(seen) > 100
    assert walks == {}


def walks_of(path: str, statements: Any) -> dict[str, str]:
    """The steps of plans that read a whole table, each with its statement."""
    found: dict[str, str] = {}
    connection = sqlite3.connect(path)
    for statement in list(statements):
        if not statement.lstrip().upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
            continue
        for *_, step in connection.execute("EXPLAIN QUERY PLAN " + statement):
            # A range of keys of all instances is a walk, too: it ends where enough of the wanted ones have been met.
            walked = re.fullmatch(r"SCAN (\w+)(?: AS \w+)?", step) or re.fullmatch(
                r"SEARCH (instance) USING INTEGER PRIMARY KEY \(rowid[<>]\?.*\)", step
            )
            if walked and walked[1] not in SMALL:
                found[step] = statement
    connection.close()
    return found
