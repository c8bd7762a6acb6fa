"""The days that are backed up."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backup.day import Day, journaling
from tests.databases import PostgresServer
from tests.laws.arrivals import FIRST, LARGE, Image, image_uid
from tests.laws.conftest import OpenProduct, open_postgresql_product, open_product, open_sqlite_product  # noqa: F401
from tests.laws.day import a_day
from tests.laws.product import Product


@pytest.fixture
def day(open_product: OpenProduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:  # noqa: F811
    monkeypatch.setattr(Product, "_open", journaling(Product._open))
    with open_product() as acts:
        a_day(acts)
        yield Day(acts, tmp_path / "backups")
        acts.product.catalog._journal.close()  # type: ignore[attr-defined]


@pytest.fixture
def empty_postgresql(postgresql_server: PostgresServer) -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    name = f"restored_{uuid.uuid4().hex}"
    yield postgresql_server.create(name)
    postgresql_server.drop(name)


@pytest.fixture
def sqlite_day(
    open_sqlite_product: OpenProduct,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Day]:
    monkeypatch.setattr(Product, "_open", journaling(Product._open))
    with open_sqlite_product() as acts:
        acts.receive(Image(FIRST, 1), Image(FIRST, LARGE))
        acts.withdraw(image_uid(FIRST, 1))
        yield Day(acts, tmp_path / "backups")
