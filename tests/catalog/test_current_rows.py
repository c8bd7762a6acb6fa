"""A SOP Instance UID has one current row, and other copies beside it; each is found by an index of its own."""

from __future__ import annotations

import sqlite3

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import Select, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import instance
from kinote.catalog.transactions.catalog import Catalog
from tests.catalog.archive import data_set, store

UID = "1.1.1.1"


def image() -> Dataset:
    return data_set("1.1", "1.1.1", UID, PatientID="P1")


def test_a_uid_has_one_current_row(catalog: Catalog) -> None:
    store(catalog, image())
    with pytest.raises(IntegrityError):
        store(catalog, image())
    with pytest.raises(IntegrityError):
        store(catalog, image(), standing="withdrawn")


def test_other_copies_stand_beside_it(catalog: Catalog) -> None:
    store(catalog, image())
    store(catalog, image(), standing="held")
    store(catalog, image(), standing="held")
    with catalog.read() as connection:
        rows = connection.execute(select(instance.c.standing, instance.c.is_current)).all()
    assert sorted(map(tuple, rows)) == [("held", False), ("held", False), ("live", True)]


def test_law_1_what_is_not_current_is_not_live(catalog: Catalog) -> None:
    """Whatever its standing says: two rows of one UID are never shown."""
    store(catalog, image())
    catalog.write(lambda transaction: transaction.execute(instance.update().values(is_current=False)))
    store(catalog, image())
    with catalog.read() as connection:
        assert len(connection.execute(select(live_instance.c.id)).all()) == 1


@pytest.mark.parametrize(
    ("query", "way"),
    [
        (select(instance.c.id).where(instance.c.is_current), "instance_current"),
        (select(instance.c.id).where(~instance.c.is_current), "instance_other_copies"),
        (select(live_instance.c.id), "instance_current"),
    ],
)
def test_copies_of_a_uid_are_found_by_an_index(sqlite_url: str, query: Select[tuple[int]], way: str) -> None:
    column = query.get_final_froms()[0].c.sop_instance_uid
    statement = str(query.where(column == UID).compile(dialect=sqlite.dialect()))
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    plan = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + statement, (UID,))]
    connection.close()
    assert plan == [f"SEARCH instance USING INDEX {way} (sop_instance_uid=?)"] or plan == [
        f"SEARCH instance USING COVERING INDEX {way} (sop_instance_uid=?)"
    ]
