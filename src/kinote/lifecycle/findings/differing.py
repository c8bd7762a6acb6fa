"""The finding that an object contradicts what its study or series is known by.

Objects of any kind can have it, including key objects. It affects neither standing nor registration.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, or_

from kinote.catalog.instances.differing import Difference
from kinote.catalog.schema.tables import finding
from kinote.catalog.sql import statements
from kinote.keyobject.findings import Findings
from kinote.lifecycle.copies import ambiguous_references, given_before
from kinote.lifecycle.findings import malformed_studies
from kinote.lifecycle.rejection.note_findings import OF_REJECTIONS

_CODES = {"study": "STUDY_DIFFERS", "series": "SERIES_DIFFERS"}

#: Findings that come from comparing instances. Reading the object again does not find them.
BESIDE_OTHERS = frozenset(
    {*_CODES.values(), malformed_studies.CODE, ambiguous_references.CODE, given_before.CODE, *OF_REJECTIONS}
)


def record_differences(
    transaction: Connection, differing: Iterable[tuple[int, Iterable[Difference]]]
) -> None:
    """Write the findings of instances, given by their keys. Does nothing for instances without differences."""
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


def forget_differences(transaction: Connection, keys: Sequence[int]) -> None:
    """Remove these findings of instances, which are not beside the others any more, or are compared anew."""
    _forget(transaction, keys)


_forget = statements.ChangeAmong(
    finding.delete().where(or_(*(finding.c.code == code for code in _CODES.values()))), finding.c.instance
)
