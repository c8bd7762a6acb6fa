"""A decision about a held copy and the job that compares it, at the same moment on PostgreSQL: one sees the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.door import Door
from kinote.intake.settling_jobs import CompareHeld
from kinote.intake.verdict import Verdict
from kinote.lifecycle.copies.choices import Choice
from kinote.lifecycle.held import held_copy
from kinote.notes.copies.deciding import decide
from kinote.storage.local import local_stores
from tests.actors import ROE
from tests.clock import clock
from tests.notes.sample_studies import IMAGE, NOW, fill, later
from tests.notes.test_crossing import Held, wait_until_done_or_blocked
from tests.notes.test_held_copies import ALL, current, hold, hold_laws, row


@pytest.fixture
def catalog(postgresql_url: str) -> Iterator[Catalog]:
    opened = Catalog(CatalogOptions(postgresql_url))
    fill(opened)
    yield opened
    opened.close()


@pytest.fixture
def settling(catalog: Catalog, tmp_path: Path) -> Iterator[Callable[[int], Callable[[Connection], str]]]:
    """Returns the last step of the job, which has found a held copy to be the same as the first."""
    stores = local_stores(tmp_path / "data")
    job = CompareHeld(catalog, stores, Door(catalog, stores, clock=clock), clock)

    def step(key: int) -> Callable[[Connection], str]:
        first = current(catalog, IMAGE)
        with catalog.read() as connection:
            copy = held_copy(connection, key)
            digest = connection.execute(select(instance.c.digest).where(instance.c.id == first)).scalar_one()
        return lambda transaction: job._settle(transaction, copy, Verdict(first, digest, ""))

    yield step
    stores.close()


def deciding(transaction: Connection) -> Any:
    return decide(transaction, ALL, Choice.TAKE_SECOND, text="Right", by=ROE, now=later(NOW))


def test_law_7_a_copy_that_comes_into_use_just_now_is_not_discarded(
    catalog: Catalog, postgresql_url: str, settling: Callable[[int], Callable[[Connection], str]]
) -> None:
    (key,) = hold(catalog, IMAGE)
    comparing = settling(key)
    decision = Held(catalog, deciding)
    job = catalog.submit(comparing)
    wait_until_done_or_blocked(postgresql_url, job)
    decision.commit()
    assert "decided about the copy already" in job.result(60)
    assert (current(catalog, IMAGE), row(catalog, key).standing) == (key, "live")
    hold_laws(catalog)


def test_a_copy_that_is_discarded_just_now_does_not_come_into_use(
    catalog: Catalog, postgresql_url: str, settling: Callable[[int], Callable[[Connection], str]]
) -> None:
    first = current(catalog, IMAGE)
    (key,) = hold(catalog, IMAGE)
    job = Held(catalog, settling(key))
    decision = catalog.submit(deciding)
    wait_until_done_or_blocked(postgresql_url, decision)
    job.commit()
    assert decision.result(60).number == 0
    assert (current(catalog, IMAGE), row(catalog, key)) == (first, None)
    hold_laws(catalog)
