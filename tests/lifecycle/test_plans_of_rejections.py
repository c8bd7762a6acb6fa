"""What arrivals ask about rejections is looked up, however many withdrawals there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.lifecycle.rejection import later_copies, reconsidering
from kinote.lifecycle.rejection.rules import DEFAULT_RULES
from tests.notes.sample_studies import NOW

UIDS = ["1.2.3", "1.2.4"]

QUESTIONS: dict[str, Callable[[Connection], Any]] = {
    "in force": lambda connection: later_copies.in_force(connection, UIDS, DEFAULT_RULES),
    "undone": lambda connection: later_copies.undone(connection, UIDS),
    "instances": lambda connection: reconsidering.instances_came(connection, UIDS, now=NOW),
    "patients": lambda connection: reconsidering.patients_became_known(connection, UIDS, now=NOW),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_withdrawals_are_walked_through(sqlite_url: str, question: str) -> None:
    catalog = Catalog(CatalogOptions(sqlite_url))
    seen: list[str] = []
    with catalog.read() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_trace_callback(seen.append)
        QUESTIONS[question](connection)
        driver.set_trace_callback(None)
        asked = [statement for statement in seen if statement.lstrip().upper().startswith("SELECT")]
        steps = [step for each in asked for *_, step in driver.execute("EXPLAIN QUERY PLAN " + each)]
    catalog.close()
    assert steps
    assert not [step for step in steps if step.startswith("SCAN") and "VIRTUAL TABLE" not in step], steps
