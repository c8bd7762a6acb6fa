"""A look at the whole store against the laws: it finds each breach, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings import law_check
from kinote.holdings.law_check import Breach, check_after
from tests.holdings.stored_objects import CHANGES, Shelf
from tests.kept_bytes import left_behind

#: For what is the same on both databases.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Iterator[Shelf]:
    filled = Shelf.filled(catalog, tmp_path / "data")
    yield filled
    filled.close()


def look(shelf: Shelf) -> list[Breach]:
    position: int | None = 0
    found = []
    number = 0
    while position is not None:
        count, some, position = check_after(shelf.catalog, shelf.stores, position, lambda _: True)
        number += count
        found += some
    assert number == 4
    return found


def done(statement: str) -> Callable[[Shelf], object]:
    return lambda shelf: shelf.catalog.write(
        lambda tx: tx.execute(text(statement), {"uid": shelf.uids["small"]})
    )


BREACHES: dict[str, tuple[int, Callable[[Shelf], object]]] = {
    "bytes vanish": (8, lambda shelf: shelf.change("small", CHANGES["missing"])),
    "bytes of the index vanish": (8, lambda shelf: shelf.change("in the index", CHANGES["missing"])),
    "bytes are shorter": (8, lambda shelf: shelf.change("large", CHANGES["shorter"])),
    "bytes without a row": (8, lambda shelf: left_behind(shelf.stores, b"nobody's")),
    "a counter": (1, done("UPDATE study SET instance_count = instance_count + 1")),
    "a standing without a withdrawal": (
        4,
        done("UPDATE instance SET standing = 'withdrawn' WHERE sop_instance_uid = :uid"),
    ),
    "a tombstone with its bytes": (
        8,
        done("UPDATE instance SET standing = 'purged', residence = 'none' WHERE sop_instance_uid = :uid"),
    ),
    "live without bytes": (8, done("UPDATE instance SET residence = 'none' WHERE sop_instance_uid = :uid")),
}


def test_where_all_laws_hold_nothing_is_wrong(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(shelf) == []
    monkeypatch.setattr(law_check, "_PAGE", 2)
    assert look(shelf) == []


@on_sqlite
@pytest.mark.parametrize("name", BREACHES)
def test_each_breach_is_found_with_its_law(shelf: Shelf, name: str) -> None:
    law, breach = BREACHES[name]
    breach(shelf)
    found = look(shelf)
    assert law in {each.law for each in found}
    assert look(shelf) == found, "a look changes nothing"
