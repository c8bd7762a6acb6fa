"""What tests of peers may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions


@pytest.fixture
def postgresql_catalog(postgresql_url: str) -> Iterator[Catalog]:
    """An open catalog with nothing in it, on PostgreSQL: several servers may have it open."""
    opened = Catalog(CatalogOptions(postgresql_url))
    yield opened
    opened.close()
