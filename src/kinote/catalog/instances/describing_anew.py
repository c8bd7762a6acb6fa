"""Studies and series without a live instance are described anew by the first instance that becomes live again.

What it says of them is read from its stored header, as intake read it from the data set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.columns import attribute_lines
from kinote.catalog.columns.attributes import INSTANCE_ATTRIBUTES, SERIES_ATTRIBUTES, STUDY_ATTRIBUTES
from kinote.catalog.instances import packed_header
from kinote.catalog.instances.completion import Describing, complete_studies
from kinote.catalog.instances.differing import OF_SERIES, Difference, differs_from_series, differs_from_study
from kinote.catalog.instances.entries import describe_series
from kinote.catalog.instances.entry import InstanceEntry, entry_of
from kinote.catalog.instances.headers import header_of
from kinote.catalog.schema.tables import instance, instance_bytes, instance_metadata, series, study
from kinote.catalog.sql import statements
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import scan
from kinote.dicom.json.received import encode_received

_DESCRIBING = frozenset(f"{tag:08X}" for tag in (*STUDY_ATTRIBUTES, *SERIES_ATTRIBUTES, *INSTANCE_ATTRIBUTES))


def describe_anew(transaction: Connection, keys: Sequence[int]) -> set[str]:
    """Let these instances, which become live, describe those of their studies and series that have no live one.

    Of each, the first describes it. Returns the UIDs of studies that belong to another patient now. Counters are not
    changed.
    """
    rows = sorted(_places(transaction, keys), key=lambda row: row.id)
    of_studies: dict[int, int] = {}
    of_series: dict[int, int] = {}
    for row in rows:
        if not row.study_count:
            of_studies.setdefault(row.study, row.id)
        if not row.series_count:
            of_series.setdefault(row.series, row.id)
    entries = {
        key: stored_entry(transaction, key) for key in sorted({*of_studies.values(), *of_series.values()})
    }
    known = {row.id: row._asdict() for row in _studies(transaction, list(of_studies))}
    described = [
        (known[study_key], Describing("live", [entry]))
        for study_key, key in sorted(of_studies.items())
        if (entry := entries[key]) is not None
    ]
    _, told = complete_studies(transaction, described)
    describe_series(
        transaction,
        {key: entry for key, of in sorted(of_series.items()) if (entry := entries[of]) is not None},
    )
    return told


def stored_differences(
    transaction: Connection, keys: Sequence[int]
) -> Iterator[tuple[int, tuple[Difference, ...]]]:
    """Return how stored instances contradict what their studies and series are known by, of those that do."""
    rows = sorted(_places(transaction, keys), key=lambda row: row.id)
    studies = {row.id: row._asdict() for row in _studies(transaction, list({row.study for row in rows}))}
    series_rows = {row.id: row._asdict() for row in _series(transaction, list({row.series for row in rows}))}
    for row in rows:
        entry = stored_entry(transaction, row.id)
        if entry is None:
            continue
        found = differs_from_study(entry.study_row, studies[row.study])
        found += differs_from_series(entry.series_row, series_rows[row.series])
        if found:
            yield row.id, found


def stored_entry(transaction: Connection, key: int) -> InstanceEntry | None:
    """Return the entry of a stored instance as it was received; None if its header is not kept."""
    (row,) = _headers(transaction, [key])
    if row.json is None and row.dataset is None:
        return None
    header = (
        header_of(row.dataset, row.transfer_syntax_uid)
        if row.json is None
        else packed_header.unpack(row.json)
    )
    wanted: dict[str, Any] = {
        attribute_lines.tag(line): json.loads(line[11:])
        for line in attribute_lines.split(header.decode())
        if attribute_lines.tag(line) in _DESCRIBING
    }
    data_set = encode_received(wanted, lambda uri: b"")
    return entry_of(
        scan(data_set, EXPLICIT_VR_LITTLE_ENDIAN),
        transfer_syntax_uid=row.transfer_syntax_uid,
        digest=_Taken(row.digest_algorithm, row.digest or ""),
        size=row.size or 0,
        origin={},
        now=datetime.fromisoformat(row.received_at),
        bytes_in_index=True,
    )


@dataclass(frozen=True, slots=True)
class _Taken:
    """The digest that the row has."""

    algorithm: str
    root: str
    pieces: bytes = b""


_places = statements.LookUp(
    select(
        instance.c.id,
        instance.c.study,
        instance.c.series,
        study.c.instance_count.label("study_count"),
        series.c.instance_count.label("series_count"),
    )
    .join(study, study.c.id == instance.c.study)
    .join(series, series.c.id == instance.c.series),
    instance.c.id,
)

_studies = statements.LookUp(select(study), study.c.id)

_series = statements.LookUp(select(series.c.id, *(series.c[name] for name in OF_SERIES)), series.c.id)

_headers = statements.LookUp(
    select(
        instance.c.id,
        instance.c.transfer_syntax_uid,
        instance.c.digest_algorithm,
        instance.c.digest,
        instance.c.size,
        instance.c.received_at,
        instance_metadata.c.json,
        instance_bytes.c.dataset,
    )
    .outerjoin(instance_metadata, instance_metadata.c.instance == instance.c.id)
    .outerjoin(instance_bytes, instance_bytes.c.instance == instance.c.id),
    instance.c.id,
)
