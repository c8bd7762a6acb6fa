"""What the tests of jobs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from tests.jobs.shop import Shop


@pytest.fixture
def shop(catalog: Catalog) -> Shop:
    """A shop on each kind of database."""
    return Shop(catalog)


@pytest.fixture
def sqlite_shop(sqlite_url: str) -> Iterator[Shop]:
    """The same on SQLite only, for what does not depend on the database."""
    opened = Catalog(CatalogOptions(sqlite_url))
    yield Shop(opened)
    opened.close()
