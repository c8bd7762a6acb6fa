"""Groups of arrivals take few statements, and what their writer remembers never differs from the index."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select, update

from kinote.catalog import changes
from kinote.catalog.instances.remembered import rows_in_use
from kinote.catalog.schema.tables import finding, instance, series, study
from kinote.catalog.sql.statements import reserve_ids
from kinote.catalog.transactions.catalog import Catalog
from kinote.intake import filing
from kinote.intake.filing import file_arrivals
from kinote.lifecycle import counts
from tests.notes import sample_studies
from tests.notes.statements import each_statement

#: The study of these objects, and their series.
STUDY, SERIES = "1.2.9", "1.2.9.1"


def images(first: int, many: int) -> list[bytes]:
    return [
        sample_studies.dataset(sample_studies.object_of(f"{SERIES}.{number}"))
        for number in range(first, first + many)
    ]


def key_objects(first: int, many: int) -> list[bytes]:
    """Key objects in series of their own."""
    return [
        sample_studies.key_object(f"{STUDY}.{number}.1", f"{SERIES}.1", description=f"Number {number}")
        for number in range(first, first + many)
    ]


#: On SQLite: statements of one object in a study that has others, and of several together. The rows of one are
#: returned by the statement that makes them; for several, SQLite's driver does not return them. One statement inserts
#: bytes, which images have elsewhere than in this test.
STATEMENTS = {"images": (10, 10), "key objects": (26, 28)}


@pytest.mark.parametrize("kind", STATEMENTS)
def test_a_group_takes_as_many_statements_whatever_its_size(catalog: Catalog, kind: str) -> None:
    made = {"images": images, "key objects": key_objects}[kind]
    sample_studies.receive(catalog, *images(1, 2))
    sample_studies.receive(catalog, *images(3, 2))
    counted = {}
    first = 100
    for many in (1, 4, 50):
        sample_studies.receive(catalog, *made(first, 2))
        seen: list[str] = []
        with each_statement(catalog, seen.append):
            assert {each.kind for each in sample_studies.receive(catalog, *made(first + 2, many))} == {
                "stored"
            }
        counted[many] = len([each for each in seen if "commit_mark" not in each])
        first += 100
    alone, together = counted[1], counted[4]
    assert counted[50] == together
    if catalog.is_sqlite:
        assert (alone, together) == STATEMENTS[kind]
    else:
        assert alone <= together


def test_a_group_records_its_changes_in_their_order(catalog: Catalog) -> None:
    sample_studies.receive(catalog, *images(1, 1), *key_objects(7, 1))
    with catalog.read() as connection:
        found = changes.since(connection, changes.BEGINNING, 10)
    assert [(str(each.change.kind), each.change.sop_instance_uid) for each in found] == [
        ("note registered", f"{STUDY}.7.1"),
        ("instance stored", f"{SERIES}.1"),
        ("instance stored", f"{STUDY}.7.1"),
    ]


def remembered_differs(transaction: Connection) -> list[str]:
    """Return the remembered rows that differ from those of the index, in other columns than the counters."""
    found = []
    held = rows_in_use(transaction)
    for table, rows in ((study, held.studies.values()), (series, held.series.values())):
        for row in rows:
            now = transaction.execute(select(table).where(table.c.id == row["id"])).mappings().one_or_none()
            counters = {"instance_count", "series_count"}
            if now is None or any(now[name] != row[name] for name in row.keys() - counters):
                found.append(f"{table.name} {row['id']}")
            elif not now["instance_count"]:
                found.append(f"{table.name} {row['id']} has no live instance")
    return found


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Compare what is remembered with the index as a group begins; gives how many studies that were."""
    groups: list[int] = []
    file = filing._file

    def comparing(transaction: Connection, *rest: object) -> list[filing.Filed]:
        groups.append(len(rows_in_use(transaction).studies))
        assert remembered_differs(transaction) == []
        return file(transaction, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(filing, "_file", comparing)
    yield groups
    assert groups


def test_rows_are_remembered_from_group_to_group(catalog: Catalog, compared: list[int]) -> None:
    for number in range(1, 5):
        sample_studies.receive(catalog, *images(number, 1))
    assert compared == ([0, 0, 1, 1] if catalog.is_sqlite else [0] * 4)


def test_whatever_else_is_written_ends_it(catalog: Catalog, compared: list[int]) -> None:
    for number in range(1, 4):
        sample_studies.receive(catalog, *images(number, 1))
    catalog.write(lambda transaction: transaction.execute(update(study).values(study_id="changed")))
    sample_studies.receive(catalog, *images(4, 1))
    assert compared[-1] == 0


def test_what_is_rolled_back_is_not_remembered(catalog: Catalog, compared: list[int]) -> None:
    """A group is filed and its transaction fails, by itself and beside others that do not."""

    def failing(transaction: Connection) -> None:
        file_arrivals(
            transaction,
            [sample_studies.arrival(each, sample_studies.NOW) for each in images(90, 2)],
            sample_studies.NOW,
        )
        file_arrivals(
            transaction,
            [sample_studies.arrival(each, sample_studies.NOW) for each in images(92, 2)],
            sample_studies.NOW,
        )
        raise RuntimeError("after it was filed")

    def other(transaction: Connection) -> None:
        transaction.execute(select(study.c.id))

    with pytest.raises(RuntimeError, match="after it was filed"):
        catalog.write(failing)
    waiting = [catalog.submit(each) for each in (other, failing, other)]
    assert [type(each.exception()).__name__ for each in waiting] == ["NoneType", "RuntimeError", "NoneType"]
    sample_studies.receive(catalog, *images(90, 2))
    sample_studies.receive(catalog, *images(92, 2))
    with catalog.read() as connection:
        assert counts.differences(connection) == []
        assert len(connection.execute(select(instance.c.id)).all()) == 4


def test_a_difference_is_found_beside_a_remembered_row(catalog: Catalog, compared: list[int]) -> None:
    for number in range(1, 4):
        sample_studies.receive(catalog, *images(number, 1))
    sample_studies.receive(
        catalog, sample_studies.dataset(sample_studies.object_of(f"{SERIES}.4", PatientSex="F"))
    )
    with catalog.read() as connection:
        assert connection.execute(select(finding.c.place)).scalars().all() == ["PatientSex"]


def test_keys_that_are_remembered_are_beyond_all_others(catalog: Catalog) -> None:
    for number in range(1, 4):
        sample_studies.receive(catalog, *images(number, 1))
    (reserved,) = catalog.write(lambda transaction: reserve_ids(transaction, instance, 1))
    sample_studies.receive(catalog, *images(4, 1))
    with catalog.read() as connection:
        keys = connection.execute(select(instance.c.id).order_by(instance.c.id)).scalars().all()
    assert len(set(keys)) == 4
    assert keys[-1] >= reserved if catalog.is_sqlite else keys[-1] > reserved
