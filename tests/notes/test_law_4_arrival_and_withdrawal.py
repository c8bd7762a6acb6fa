"""Law 4: an instance that arrives while it is withdrawn, or while that is undone, is not missed (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from kinote.catalog.instances import uid_locks
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.intake.filing import file_arrivals
from kinote.lifecycle import acts
from kinote.lifecycle.withdrawals.withdrawal import undo
from kinote.notes.acts.rejection import reject
from tests.actors import ROE
from tests.notes.sample_studies import FIRST, NOW, arrival, dataset, fill, later, object_of
from tests.notes.test_law_4_undo_windows import WINDOW, Work, at_once, live, prepared

NEW = "1.2.1.9.1"


@pytest.fixture
def catalog(postgresql_url: str) -> Iterator[Catalog]:
    opened = Catalog(CatalogOptions(postgresql_url))
    fill(opened)
    yield opened
    opened.close()


def filing(transaction: Connection) -> Any:
    return file_arrivals(transaction, [arrival(dataset(object_of(NEW)), NOW)], NOW)


def withdrawing(transaction: Connection) -> int:
    return reject(transaction, [NEW], act=acts.QUALITY, text="", by=ROE, now=NOW, undo_window=WINDOW)


@pytest.mark.parametrize("arrives_first", [True, False], ids=["arrives first", "withdrawn first"])
@pytest.mark.parametrize("one_by_one", [256, 0], ids=["by UID", "all at once"])
def test_law_4_what_arrives_while_it_is_withdrawn_is_withdrawn(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, arrives_first: bool, one_by_one: int
) -> None:
    monkeypatch.setattr(uid_locks, "ONE_BY_ONE", one_by_one)
    works: list[Work] = [filing, withdrawing]
    at_once(catalog, *(works if arrives_first else reversed(works)))
    assert NEW not in live(catalog)
    # Nobody can have been given what was not here yet.
    assert set(prepared(catalog, 1)) == ({FIRST} if arrives_first else set())


@pytest.mark.parametrize("arrives_first", [True, False], ids=["arrives first", "undone first"])
def test_law_4_what_arrives_while_its_withdrawal_is_undone_is_live(
    catalog: Catalog, arrives_first: bool
) -> None:
    key = catalog.write(withdrawing)
    works: list[Work] = [filing, lambda tx: undo(tx, key, by=ROE, now=later(NOW))]
    at_once(catalog, *(works if arrives_first else reversed(works)))
    assert NEW in live(catalog)
