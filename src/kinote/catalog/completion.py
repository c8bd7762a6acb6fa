"""Filling the gaps of a study's row from instances that come later.

A study is described by the instance that came first, often enough a report or a KOS that says little.
What it left empty is taken from later instances; what it said stays, until a correction is laid over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam

from kinote.catalog import attribute_lines
from kinote.catalog.entry import InstanceEntry, Row
from kinote.catalog.study_text import index_study_text
from kinote.catalog.tables import study

#: The columns of an entry's study row that hold what the data set says.
DESCRIBING = (
    "patient_name_alphabetic",
    "patient_name_ideographic",
    "patient_name_phonetic",
    "patient_birth_date",
    "patient_sex",
    "study_date",
    "study_time",
    "study_id",
    "accession_number",
    "study_description",
    "referring_physician_name_alphabetic",
    "referring_physician_name_ideographic",
    "referring_physician_name_phonetic",
)


def complete_studies(transaction: Connection, met: Iterable[tuple[Mapping[str, Any], InstanceEntry]]) -> None:
    """Complete the rows of studies from one entry each; rows without gaps cost nothing."""
    completed = []
    for row, entry in met:
        gaps = {name: entry.study_row[name] for name in DESCRIBING if not row[name] and entry.study_row[name]}
        if gaps:
            completed.append(
                {**row, **gaps, "attributes": _merged(row["attributes"], entry.study_row["attributes"])}
            )
    if not completed:
        return
    columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*DESCRIBING, "attributes")}
    transaction.execute(
        study.update().where(study.c.id == bindparam("key")).values(**columns),
        [_parameters(row) for row in sorted(completed, key=lambda row: row["id"])],
    )
    index_study_text(transaction, completed)


def _parameters(row: Mapping[str, Any]) -> Row:
    return {"key": row["id"], **{f"new_{name}": row[name] for name in (*DESCRIBING, "attributes")}}


def _merged(kept: str, offered: str) -> str:
    """The kept DICOM JSON object, with the values of the offered one where it has none."""
    attributes = {attribute_lines.tag(line): line for line in attribute_lines.split(kept)}
    for line in attribute_lines.split(offered):
        tag = attribute_lines.tag(line)
        if '"Value":' in line and '"Value":' not in attributes.get(tag, ""):
            attributes[tag] = line
    return attribute_lines.join(attributes.values())
