"""Empty products for the tests of the laws, one after the other, on each kind of database."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.databases import PostgresServer, new_sqlite_index

# What is asserted there is shown as in a test.
pytest.register_assert_rewrite("tests.laws.acts", "tests.laws.audit")

from tests.laws.acts import Acts  # noqa: E402
from tests.laws.product import Product  # noqa: E402

#: Opens an empty product, for as long as the block lasts.
OpenProduct = Callable[[], AbstractContextManager[Acts]]


@contextmanager
def _opened(url: str, data: Path) -> Iterator[Acts]:
    product = Product(url, data)
    try:
        yield Acts(product)
    finally:
        product.close()
        shutil.rmtree(data)


@pytest.fixture
def open_sqlite_product(tmp_path: Path) -> OpenProduct:
    @contextmanager
    def opened() -> Iterator[Acts]:
        data = tmp_path / uuid.uuid4().hex
        data.mkdir()
        with _opened(new_sqlite_index(data / "kinote.sqlite"), data) as acts:
            yield acts

    return opened


@pytest.fixture
def open_postgresql_product(
    postgresql_server: PostgresServer, postgresql_template: str, tmp_path: Path
) -> OpenProduct:
    @contextmanager
    def opened() -> Iterator[Acts]:
        name = f"kinote_{uuid.uuid4().hex}"
        url = postgresql_server.create(name, template=postgresql_template)
        try:
            with _opened(url, tmp_path / name) as acts:
                yield acts
        finally:
            postgresql_server.drop(name)

    return opened


@pytest.fixture(params=["sqlite", "postgresql"])
def open_product(request: pytest.FixtureRequest) -> OpenProduct:
    """The test runs once on each kind of database, and opens as many products as it likes."""
    opened: OpenProduct = request.getfixturevalue(f"open_{request.param}_product")
    return opened


@pytest.fixture
def acts(open_product: OpenProduct) -> Iterator[Acts]:
    """A product and its model, on each kind of database."""
    with open_product() as opened:
        yield opened


@pytest.fixture
def sqlite_acts(open_sqlite_product: OpenProduct) -> Iterator[Acts]:
    """The same on SQLite only, for what does not depend on the database."""
    with open_sqlite_product() as opened:
        yield opened
