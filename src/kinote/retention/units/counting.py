"""Counts what studies have in the cache, from the rows of their instances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.last_use import parts_of
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    delivery,
    instance,
    key_object,
    location,
    note_study,
    note_version,
    retention_unit,
    retention_unit_archive,
    series,
    study,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.holdings.removing.evicting import takes_room
from kinote.keyobject.titles import TitleGroup
from kinote.lifecycle.archives.evidence import Evidence
from kinote.retention.rules.compiled import joined
from kinote.retention.rules.unit import Part

#: Titles of documents that flag nothing.
_NO_MARKS = (str(TitleGroup.MANIFEST), str(TitleGroup.REJECTION))

#: The number of instances whose parts are looked up at once.
_TOGETHER = 1000


@dataclass(slots=True)
class _Counted:
    bytes: int = 0
    objects: int = 0
    received_at: str = ""
    sent_at: str = ""
    modalities: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)
    callers: set[str] = field(default_factory=set)
    #: By archive: how many of the objects, and the oldest commitment.
    archives: dict[int, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CountedStudies:
    """The rows of units of some studies, which replace the existing ones."""

    studies: tuple[int, ...]
    units: tuple[dict[str, Any], ...]
    archives: tuple[dict[str, Any], ...]


def count(connection: Connection, studies: Sequence[int], now: datetime) -> CountedStudies:
    """Count what these studies have in the cache, by their keys."""
    counted: dict[tuple[int, str], _Counted] = defaultdict(_Counted)
    rows = list(_CACHED(connection, studies))
    for start in range(0, len(rows), _TOGETHER):
        _add(connection, counted, rows[start : start + _TOGETHER])
    titles: dict[int, set[str]] = defaultdict(set)
    for row in _TITLES(connection, sorted({key for key, _ in counted})):
        titles[row.study].add(f"{row.title_scheme}:{row.title_value}")
    units, archives = [], []
    for (study_key, part), each in sorted(counted.items()):
        units.append(
            {
                "study": study_key,
                "part": part,
                "bytes": each.bytes,
                "objects": each.objects,
                "received_at": each.received_at,
                "sent_at": each.sent_at,
                "modalities": joined(each.modalities),
                "classes": joined(each.classes),
                "callers": joined(each.callers),
                "titles": joined(titles[study_key]),
                "counted_at": timestamp(now),
            }
        )
        archives += [
            {"study": study_key, "part": part, "archive": archive, "objects": objects, "oldest_at": oldest}
            for archive, (objects, oldest) in sorted(each.archives.items())
        ]
    return CountedStudies(tuple(studies), tuple(units), tuple(archives))


def write_counts(transaction: Connection, counted: CountedStudies) -> None:
    """Replace the existing counts."""
    _remove_units(transaction, counted.studies)
    _remove_archives(transaction, counted.studies)
    statements.insert_rows(transaction, retention_unit, list(counted.units))
    statements.insert_rows(transaction, retention_unit_archive, list(counted.archives))


def study_keys(connection: Connection, study_uids: Iterable[str]) -> list[int]:
    """Return the keys of those studies that are here."""
    return sorted(row.id for row in _STUDIES(connection, sorted(set(study_uids))))


def _add(connection: Connection, counted: dict[tuple[int, str], _Counted], rows: Sequence[Any]) -> None:
    keys = [row.id for row in rows]
    parts = parts_of(connection, keys)
    sent: dict[str, str] = {}
    for row in _SENT(connection, [each.sop_instance_uid for each in rows]):
        sent[row.sop_instance_uid] = max(row.given_at or "", sent.get(row.sop_instance_uid, ""))
    committed: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in _COMMITTED(connection, keys):
        if row.digest and row.digest == row.present_digest:
            committed[row.instance].append((row.archive, row.at))
    for row in rows:
        if row.id not in parts:
            continue
        each = counted[row.study, str(Part(parts[row.id][1]))]
        each.bytes += row.size or 0
        each.objects += 1
        each.received_at = max(each.received_at, row.received_at)
        each.sent_at = max(each.sent_at, sent.get(row.sop_instance_uid, ""))
        each.modalities |= {row.modality} - {""}
        each.classes.add(row.sop_class_uid)
        if row.brought_by_kind == "peer":
            each.callers |= {row.brought_by_name} - {""}
        for archive, at in committed[row.id]:
            objects, oldest = each.archives.get(archive, (0, at))
            each.archives[archive] = objects + 1, min(oldest, at)


#: What takes room in the cache (`kinote.holdings.removing.evicting`).
_CACHED = statements.LookUp(
    select(
        live_instance.c.id,
        live_instance.c.study,
        live_instance.c.sop_instance_uid,
        live_instance.c.sop_class_uid,
        live_instance.c.size,
        live_instance.c.received_at,
        live_instance.c.brought_by_kind,
        live_instance.c.brought_by_name,
        series.c.modality,
    )
    .join(series, series.c.id == live_instance.c.series)
    .where(*takes_room(live_instance)),
    live_instance.c.study,
)

_SENT = statements.LookUp(
    select(delivery.c.sop_instance_uid, delivery.c.given_at).where(delivery.c.given_at.is_not(None)),
    delivery.c.sop_instance_uid,
)

_COMMITTED = statements.LookUp(
    select(
        location.c.instance,
        location.c.archive,
        location.c.at,
        location.c.digest,
        instance.c.digest.label("present_digest"),
    )
    .join(instance, instance.c.id == location.c.instance)
    .where(location.c.evidence == str(Evidence.COMMITTED)),
    location.c.instance,
)

_TITLES = statements.LookUp(
    select(study.c.id.label("study"), note_version.c.title_scheme, note_version.c.title_value)
    .join(note_study, note_study.c.study_instance_uid == study.c.study_instance_uid)
    .join(note_version, note_version.c.id == note_study.c.version)
    .join(key_object, key_object.c.version == note_version.c.id)
    .join(live_instance, live_instance.c.id == key_object.c.instance)
    .where(
        note_version.c.is_current,
        note_study.c.flags_there,
        *(note_version.c.title_group != group for group in _NO_MARKS),
    ),
    study.c.id,
)

_STUDIES = statements.LookUp(select(study.c.id), study.c.study_instance_uid)

_remove_units = statements.ChangeAmong(retention_unit.delete(), retention_unit.c.study)
_remove_archives = statements.ChangeAmong(retention_unit_archive.delete(), retention_unit_archive.c.study)
