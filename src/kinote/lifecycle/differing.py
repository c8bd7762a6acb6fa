"""The finding that an object says of its study or series something else than these are known by.

It is one of objects of any kind, key objects among them, and bears on nothing: not on standing, nor on registration.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from kinote.catalog.instances.differing import Difference
from kinote.catalog.schema.tables import finding
from kinote.catalog.sql import statements
from kinote.keyobject.findings import Findings

_CODES = {"study": "STUDY_DIFFERS", "series": "SERIES_DIFFERS"}

#: What is found by looking at other instances: nobody finds it by reading the object again.
BESIDE_OTHERS = frozenset(_CODES.values())


def record_differences(
    transaction: Connection, differing: Iterable[tuple[int, Iterable[Difference]]]
) -> None:
    """Write the findings of instances, given by their keys; does nothing where none differ."""
    rows = []
    for key, differences in differing:
        findings = Findings()
        for one in differences:
            findings.add(
                _CODES[one.level], one.attribute, f"{one.attribute} {one.said} (known as {one.known})"
            )
        rows += [
            {
                "instance": key,
                "code": each.code,
                "severity": each.severity,
                "place": each.place,
                "text": each.text,
            }
            for each in findings.as_tuple()
        ]
    statements.insert_rows(transaction, finding, rows)
