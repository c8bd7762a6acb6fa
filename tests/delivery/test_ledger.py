"""The ledger in memory: what it makes of several attempts, and of what cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import delivery
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.delivery import ledger as ledgers
from kinote.delivery.ledger import Ledger
from kinote.lifecycle.owed.receivers import Receiver, State
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


def test_law_5_what_can_never_be_written_keeps_nothing_else_from_it(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer can always be written, whatever characters it has; a UID that is no text cannot."""
    ledger = Ledger(catalog, clock)
    record = ledger.record_for(PACS, "C-MOVE")
    record("1.2.1", State.GIVEN, "0000H")
    record("1.2.2\ud800", State.GIVEN, "0000H")
    record("1.2.3", State.FAILED, "A700H no\0room\ud800")
    ledger.write()
    assert recorded(catalog) == [("1.2.1", "given", "0000H"), ("1.2.3", "failed", "A700H no?room?")]
    assert said_by_the_ledger(caplog) == ["ERROR"]
    caplog.clear()
    record("1.2.4", State.GIVEN, "0000H")
    ledger.write()
    assert (len(recorded(catalog)), said_by_the_ledger(caplog)) == (3, [])


def said_by_the_ledger(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.levelname for each in caplog.records if each.name == "kinote.delivery.ledger"]


def test_law_5_what_waits_is_bounded_while_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ledgers, "_MOST", 4)
    monkeypatch.setattr(ledgers, "_BOUND", 8)
    options = CatalogOptions(f"sqlite:///{tmp_path / 'kinote.sqlite'}")
    catalog = Catalog(options)
    catalog.close()
    ledger = Ledger(catalog, clock)
    record = ledger.record_for(PACS, "C-MOVE")
    for number in range(20):
        record(f"1.2.{number}", State.GIVEN, "0000H")
    # What waits already is still brought up to date.
    record("1.2.0", State.GIVEN, "B000H")
    ledger._catalog = again = Catalog(options)
    ledger.write()
    assert sorted(uid for uid, _, _ in recorded(again)) == [f"1.2.{number}" for number in range(8)]
    assert ("1.2.0", "given", "B000H") in recorded(again)
    assert len([each for each in caplog.records if "is forgotten" in each.getMessage()]) == 1
    again.close()
