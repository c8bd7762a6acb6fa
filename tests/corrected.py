"""Corrections written by hand, as rows: nothing makes them yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydicom.datadict import tag_for_keyword
from sqlalchemy import Connection, Table, bindparam, insert, select, update

from kinote.catalog.columns import attribute_lines
from kinote.catalog.instances.received_values import REFERENCES, CorrectedLevel
from kinote.catalog.schema.tables import instance, received_value, series, study
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from tests.clock import clock

_TABLES: dict[CorrectedLevel, tuple[Table, str]] = {
    "study": (study, "study_instance_uid"),
    "series": (series, "series_instance_uid"),
    "instance": (instance, "sop_instance_uid"),
}
_COLUMNS = {
    "StudyInstanceUID": "study_instance_uid",
    "SeriesInstanceUID": "series_instance_uid",
    "SOPInstanceUID": "sop_instance_uid",
    "PatientID": "patient_id",
    "AccessionNumber": "accession_number",
    "PatientName": "patient_name_alphabetic",
    "Modality": "modality",
}


def correct(
    catalog: Catalog, level: CorrectedLevel, uid: str, /, reason: str = "CORRECT", **now: Any
) -> None:
    """Give the row of a level with this UID other values, by keyword: a text, or DICOM JSON."""
    catalog.write(lambda transaction: _correct(transaction, level, uid, reason, now))


def mark_references(catalog: Catalog, sop_instance_uid: str) -> None:
    """Say of an instance that UIDs which it refers to have changed."""
    correct(catalog, "instance", sop_instance_uid, **{REFERENCES: ""})


def _correct(
    transaction: Connection, level: CorrectedLevel, uid: str, reason: str, now: Mapping[str, Any]
) -> None:
    table, column = _TABLES[level]
    row = transaction.execute(select(table).where(table.c[column] == uid)).mappings().one()
    at = timestamp(clock())
    lines = {attribute_lines.tag(line): line for line in attribute_lines.split(row["attributes"])}
    columns: dict[str, Any] = {"overlay": row["overlay"] + 1}
    for keyword, value in now.items():
        before = ""
        if keyword != REFERENCES:
            tag = f"{tag_for_keyword(keyword):08X}"
            attribute = value if isinstance(value, dict) else {"vr": "LO", "Value": [value]}
            before = _text(lines.get(tag))
            lines[tag] = f'"{tag}":{json.dumps(attribute, ensure_ascii=False, separators=(",", ":"))}'
            if keyword in _COLUMNS:
                before = row[_COLUMNS[keyword]] if "UID" in keyword else before
                columns[_COLUMNS[keyword]] = (
                    _text(lines[tag]).lower() if keyword == "PatientName" else _text(lines[tag])
                )
        if not transaction.execute(
            select(received_value.c.key).where(
                received_value.c.level == level,
                received_value.c.key == row["id"],
                received_value.c.attribute == keyword,
            )
        ).first():
            transaction.execute(
                insert(received_value),
                {
                    "level": level,
                    "key": row["id"],
                    "attribute": keyword,
                    "value": before,
                    "changed_at": at,
                    "system": "KINOTE",
                    "reason": reason,
                },
            )
    columns["attributes"] = attribute_lines.join(lines.values())
    transaction.execute(update(table).where(table.c.id == bindparam("key")), {"key": row["id"], **columns})


def _text(line: str | None) -> str:
    (value,) = (json.loads(line[11:]).get("Value") if line else None) or [""]
    return value["Alphabetic"] if isinstance(value, dict) else str(value)
