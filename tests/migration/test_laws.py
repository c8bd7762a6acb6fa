"""What the laws say of notes of other systems, and that a breach is noticed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import instance, key_object
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.law_check import check_after
from kinote.keyobject import writer
from kinote.keyobject.elements import encoded
from kinote.lifecycle import counts
from kinote.notes.belonging import differences
from kinote.notes.creator import derivable
from kinote.notes.creator.making import CannotBeMadeError, derived
from kinote.storage.local import local_stores
from tests.migration.tables import imported, residences, row, without_place
from tests.notes.sample_studies import IMAGE, IMAGE_2, SECOND_IMAGE, dataset, object_of, receive


def work(catalog: Catalog) -> None:
    """Notes that are made at once, in one study and in two, and one that waits and is completed later."""
    imported(
        catalog,
        [
            row("1", IMAGE),
            row("2", IMAGE),
            row("2", SECOND_IMAGE),
            without_place("3", "1.2.1.1.98"),
            row("4", "1.4.1.1.1"),
        ],
    )
    receive(catalog, dataset(object_of("1.2.1.1.98")), dataset(object_of("1.4.1.1.1")))


def hold_law_1(catalog: Catalog) -> None:
    with catalog.read() as connection:
        assert list(counts.differences(connection)) == []
        assert differences(connection) == []


def test_law_1_key_objects_are_counted_from_their_row_on(filled: Catalog) -> None:
    work(filled)
    assert residences(filled) == ["derivable"] * 5
    hold_law_1(filled)


def test_breach_of_law_1_key_objects_that_are_not_counted_are_noticed(
    filled_sqlite: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "add_series_of_one", lambda transaction, added: None)
    work(filled_sqlite)
    with pytest.raises(AssertionError):
        hold_law_1(filled_sqlite)


def breaches_of_law_8(catalog: Catalog, folder: Any) -> list[str]:
    """Those about key objects: the images of the tests have no bytes."""
    stores = local_stores(folder)
    with catalog.read() as connection:
        query = select(instance.c.sop_instance_uid).join(key_object, key_object.c.instance == instance.c.id)
        ours = set(connection.execute(query).scalars())
    _, found, _ = check_after(catalog, stores, 0, lambda store: True)
    stores.close()
    return [each.sentence for each in found if each.law == 8 and each.subject in ours]


def test_law_8_every_derivable_row_has_what_determines_its_bytes(filled: Catalog, tmp_path: Any) -> None:
    work(filled)
    assert breaches_of_law_8(filled, tmp_path) == []


def test_breach_of_law_8_a_derivable_row_without_recipe_is_noticed(
    filled_sqlite: Catalog, tmp_path: Any
) -> None:
    work(filled_sqlite)
    filled_sqlite.write(lambda tx: tx.execute(key_object.update().values(made_from=None)))
    assert (
        breaches_of_law_8(filled_sqlite, tmp_path)
        == ["Its bytes are to be made, and nothing says of what."] * 5
    )


def of_all(catalog: Catalog) -> list[bytes]:
    with catalog.read() as connection:
        query = select(instance.c.sop_instance_uid).join(key_object, key_object.c.instance == instance.c.id)
        return [
            derived(connection, uid) for uid in connection.execute(query.order_by(instance.c.id)).scalars()
        ]


def test_law_11_bytes_are_made_by_the_writer_that_the_recipe_names(
    filled_sqlite: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(filled_sqlite, [row("1", IMAGE)])
    before = of_all(filled_sqlite)
    old = writer.encode
    # A newer writer, whose bytes differ. The old one is kept beside it.
    monkeypatch.setattr(writer, "encode", lambda document: old(document) + b"\0\0")
    monkeypatch.setattr(derivable, "encoded", lambda elements: encoded(elements) + b"\0\0")
    monkeypatch.setattr("kinote.notes.creator.recipe.WRITER_VERSION", writer.WRITER_VERSION + 1)
    monkeypatch.setattr(writer, "OLDER_WRITERS", {writer.WRITER_VERSION: old})
    monkeypatch.setattr(writer, "WRITER_VERSION", writer.WRITER_VERSION + 1)
    imported(filled_sqlite, [row("2", IMAGE_2)])
    first, second = of_all(filled_sqlite)
    assert [first] == before
    assert second.endswith(b"\0\0")


def test_breach_of_law_11_a_writer_that_is_not_kept_is_noticed(
    filled_sqlite: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(filled_sqlite, [row("1", IMAGE)])
    monkeypatch.setattr(writer, "WRITER_VERSION", writer.WRITER_VERSION + 1)
    with pytest.raises(CannotBeMadeError, match="written by version"):
        of_all(filled_sqlite)
