"""Tables of notes, and what the import makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from kinote.catalog.schema.tables import instance, instance_bytes, key_object
from kinote.catalog.transactions.catalog import Catalog
from kinote.migration.filing import Result
from kinote.migration.importing import ImportOptions, NotesImport
from kinote.migration.mapping import mapping_of
from kinote.migration.reading import Format, TableReader
from tests.actors import ROE
from tests.catalog.archive import CT
from tests.notes.sample_studies import IMAGE, NOW, place

SOURCE = "old"


def row(note: str, uid: str = IMAGE, **values: Any) -> dict[str, Any]:
    """A row about an image whose UID begins with those of its series and study."""
    where = place(uid)
    return {
        "note": note,
        "title": "113000",
        "description": "A nodule",
        "author": "Doe^Jane",
        "created": "2026-11-23T14:07:00+02:00",
        "patient_id": "P1",
        "study_instance_uid": where.study_instance_uid,
        "series_instance_uid": where.series_instance_uid,
        "sop_class_uid": CT,
        "sop_instance_uid": uid,
        **values,
    }


def without_place(note: str, uid: str, **values: Any) -> dict[str, Any]:
    """The same, of which nobody says in which series the image is."""
    return row(note, uid, series_instance_uid="", sop_class_uid="", **values)


def imported(
    catalog: Catalog,
    rows: Sequence[dict[str, Any]],
    *,
    source: str = SOURCE,
    mapping: object = None,
    is_dry: bool = False,
) -> list[Result]:
    """Import rows as JSON Lines, and give what became of each note, by line."""
    head = [] if mapping is None else [{"mapping": mapping}]
    return import_table(
        catalog,
        "".join(json.dumps(each) + "\n" for each in [*head, *rows]).encode(),
        "jsonl",
        ImportOptions(source, mapping_of(mapping or {}), is_dry),
    )


def import_table(
    catalog: Catalog, table: bytes, written: Format, options: ImportOptions | None = None
) -> list[Result]:
    work = NotesImport(catalog, options or ImportOptions(SOURCE), by=ROE, clock=lambda: NOW)
    try:
        results = list(work.read(TableReader([table], written)))
        results += [each for batch in work.file() for each in batch]
    finally:
        work.close()
    return sorted(results, key=lambda each: each.line)


def kinds(results: Sequence[Result]) -> list[str]:
    return [each.kind for each in results]


def residences(catalog: Catalog) -> list[str]:
    """Where the bytes of all key objects are."""
    query = (
        select(instance.c.residence)
        .join(key_object, key_object.c.instance == instance.c.id)
        .order_by(instance.c.id)
    )
    with catalog.read() as connection:
        return list(connection.execute(query).scalars())


def kept_bytes(catalog: Catalog) -> int:
    """How many key objects have bytes in the index."""
    query = select(instance_bytes.c.instance).join(
        key_object, key_object.c.instance == instance_bytes.c.instance
    )
    with catalog.read() as connection:
        return len(connection.execute(query).all())
