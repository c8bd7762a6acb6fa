"""The finding that a study was received with values which no document made here can have.

It belongs to the first live instance of the study, by whose values the study is known.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import finding
from kinote.catalog.sql import statements
from kinote.keyobject.findings import found

CODE = "STUDY_VALUE_MALFORMED"


def record_malformed(transaction: Connection, study: int, values: Iterable[tuple[str, str, str]]) -> None:
    """Write a finding for each attribute of a study, by key: keyword, value received, and value written ('' for none).

    An attribute that has its finding already gets no other.
    """
    query = select(func.min(live_instance.c.id)).where(live_instance.c.study == study)
    first = transaction.execute(query).scalar_one()
    if first is None:
        return
    known = set(
        transaction.execute(
            select(finding.c.place).where(finding.c.instance == first, finding.c.code == CODE)
        ).scalars()
    )
    rows = []
    for keyword, received, written in values:
        if keyword in known:
            continue
        becomes = f"becomes {written}" if written else "is left out"
        one = found(CODE, keyword, f"{keyword} {received[:80]!r} {becomes}")
        rows.append(
            {
                "instance": first,
                "code": one.code,
                "severity": one.severity,
                "place": one.place,
                "text": one.text,
            }
        )
    statements.insert_rows(transaction, finding, rows)
