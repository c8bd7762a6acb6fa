"""What the tests of notes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from tests.notes import sample_studies


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    """A catalog with the studies of `sample_studies`, on each kind of database."""
    sample_studies.fill(catalog)
    return catalog


@pytest.fixture
def filled_sqlite(sqlite_url: str) -> Iterator[Catalog]:
    """The same on SQLite only, for what does not depend on the database."""
    opened = Catalog(CatalogOptions(sqlite_url))
    sample_studies.fill(opened)
    yield opened
    opened.close()
