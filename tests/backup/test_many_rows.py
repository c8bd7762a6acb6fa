"""An index with many rows goes from SQLite to PostgreSQL and back, and every table is the same."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from benchmarks.fill import Extent, fill
from kinote.backup.copied_index import copy_index, pour
from kinote.catalog.schema.tables import metadata
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from tests.databases import PostgresServer

#: Two million instances, half of which carry a million notes; in the short form so many fewer.
STUDIES = 10_000 if os.environ.get("KINOTE_SOAK") == "1" else 10
EXTENT = Extent(studies=STUDIES, images=100, notes=STUDIES * 100)

#: What the place has, and is not carried.
OF_THE_PLACE = {"house", "node", "commit_mark"}


def silent(_done: int, _total: int) -> None:
    """Nobody looks."""


def digests(catalog: Catalog) -> dict[str, tuple[int, str]]:
    """The number of rows of each table, and a digest of all of them in the order of their keys."""
    with catalog.read() as connection:
        return {
            table.name: _digest(connection, table.name)
            for table in metadata.sorted_tables
            if table.name not in OF_THE_PLACE
        }


def _digest(connection: Connection, name: str) -> tuple[int, str]:
    table = metadata.tables[name]
    number, hasher = 0, hashlib.sha256()
    reading = connection.execution_options(stream_results=True, max_row_buffer=5000)
    for row in reading.execute(select(table).order_by(*table.primary_key.columns)):
        number += 1
        hasher.update(repr(tuple(row)).encode())
    return number, hasher.hexdigest()


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_from_sqlite_to_postgresql_and_back_is_equal(
    sqlite_url: str, postgresql_server: PostgresServer, tmp_path: Path
) -> None:
    catalog = Catalog(CatalogOptions(sqlite_url))
    for _ in fill(catalog, EXTENT):
        pass
    before = digests(catalog)
    assert before["instance"][0] == EXTENT.instances
    assert before["note"][0] == EXTENT.notes
    begun = time.monotonic()
    copy_index(catalog, sqlite_url, tmp_path / "there.sqlite", silent)
    catalog.close()
    name = f"many_{tmp_path.name}"
    url = postgresql_server.create(name)
    try:
        pour(tmp_path / "there.sqlite", url, silent)
        between = time.monotonic()
        catalog = Catalog(CatalogOptions(url))
        assert digests(catalog) == before
        compared = time.monotonic()
        copy_index(catalog, url, tmp_path / "back.sqlite", silent)
        print(f"there {between - begun:.0f} s, back {time.monotonic() - compared:.0f} s")
        catalog.close()
    finally:
        postgresql_server.drop(name)
    catalog = Catalog(CatalogOptions(f"sqlite:///{tmp_path / 'back.sqlite'}"))
    assert digests(catalog) == before
    catalog.close()
