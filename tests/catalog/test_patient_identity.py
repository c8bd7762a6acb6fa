"""The rule of different patients: the same answer for values and in SQL."""

from __future__ import annotations

import pytest
from sqlalchemy import literal, select

from kinote.catalog.columns.patient_identity import are_different
from kinote.catalog.transactions.catalog import Catalog


@pytest.mark.parametrize(
    ("first", "second", "different"),
    [
        (("P1", "A"), ("P2", "A"), True),
        (("P1", ""), ("P2", ""), True),
        (("P1", "A"), ("P1", "A"), False),
        (("P1", "A"), ("P2", "B"), False),
        (("P1", "A"), ("P2", ""), False),
        (("", "A"), ("P2", "A"), False),
        (("P1", "A"), ("", "A"), False),
        (("", ""), ("", ""), False),
    ],
)
def test_patients_are_different_by_two_ids_of_one_issuer(
    catalog: Catalog, first: tuple[str, str], second: tuple[str, str], different: bool
) -> None:
    assert are_different(first, second) is different
    assert are_different(second, first) is different
    columns = tuple((literal(one), literal(issuer)) for one, issuer in (first, second))
    with catalog.read() as connection:
        condition = are_different(columns[0], columns[1])
        assert bool(connection.execute(select(condition)).scalar_one()) is different
