"""The ledger in memory: what it makes of several attempts, and of what cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import delivery
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.delivery.ledger import Ledger
from kinote.lifecycle.deliveries import Receiver, State
from tests.clock import clock

PACS = Receiver(1)

GIVEN, UNKNOWN, FAILED = State.GIVEN, State.UNKNOWN, State.FAILED


def recorded(catalog: Catalog) -> list[tuple[str, str, str]]:
    with catalog.read() as connection:
        query = select(delivery.c.sop_instance_uid, delivery.c.state, delivery.c.answer)
        return sorted(tuple(row) for row in connection.execute(query))


@pytest.mark.parametrize(
    ("first", "second", "holds"),
    [
        (GIVEN, GIVEN, GIVEN),
        (GIVEN, UNKNOWN, GIVEN),
        (GIVEN, FAILED, GIVEN),
        (UNKNOWN, GIVEN, GIVEN),
        (UNKNOWN, UNKNOWN, UNKNOWN),
        (UNKNOWN, FAILED, UNKNOWN),
        (FAILED, GIVEN, GIVEN),
        (FAILED, UNKNOWN, UNKNOWN),
        (FAILED, FAILED, FAILED),
    ],
)
@pytest.mark.parametrize("when", ["both wait", "the first could not be written", "the first was written"])
def test_what_a_receiver_has_or_may_have_stays_whatever_becomes_of_another_attempt(
    tmp_path: Path, first: State, second: State, holds: State, when: str
) -> None:
    """However the two are gathered."""
    options = CatalogOptions(f"sqlite:///{tmp_path / 'kinote.sqlite'}")
    catalog = Catalog(options)
    ledger = Ledger(catalog, clock)
    record = ledger.record_for(PACS, "C-GET")
    record("1.2.3", first, "")
    if when == "the first was written":
        ledger.write()
    elif when == "the first could not be written":
        catalog.close()
        writing = ledger._write

        def failing(rows: object) -> None:
            # The second attempt is made while the first is being written.
            ledger._write = writing  # type: ignore[method-assign]
            record("1.2.3", second, "")
            writing(rows)  # type: ignore[arg-type]

        ledger._write = failing  # type: ignore[method-assign]
        ledger.write()
        ledger._catalog = catalog = Catalog(options)
    if when != "the first could not be written":
        record("1.2.3", second, "")
    ledger.write()
    assert recorded(catalog) == [("1.2.3", holds, "")]
    catalog.close()
