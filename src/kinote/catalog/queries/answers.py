"""Answers to queries: DICOM JSON composed of what intake has prepared, without parsing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, literal_column, select, union

from kinote.catalog.columns import attribute_lines
from kinote.catalog.columns.attribute_lines import line, number_writer, text_writer
from kinote.catalog.columns.attributes import INSTANCE_ATTRIBUTES, SERIES_ATTRIBUTES, STUDY_ATTRIBUTES
from kinote.catalog.columns.dictionary_vr import in_dictionary_vr
from kinote.catalog.instances.headers import Derived, headers, nothing_derived
from kinote.catalog.queries.matching_keys import TagPath
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import DAMAGED, series
from kinote.dicom.dictionary import tags
from kinote.memory.shared import MEMORY

#: Instance Availability (PS3.3 C.4.23.1.1): at once, after a recall, or not any more.
_ONLINE = line(tags.INSTANCE_AVAILABILITY, "CS", "ONLINE")
_NEARLINE = line(tags.INSTANCE_AVAILABILITY, "CS", "NEARLINE")
_UNAVAILABLE = line(tags.INSTANCE_AVAILABILITY, "CS", "UNAVAILABLE")
_AVAILABILITY = {
    "local": _ONLINE,
    "derivable": _ONLINE,
    "remote": _NEARLINE,
    "damaged": _UNAVAILABLE,
    "none": _UNAVAILABLE,
}

# Repeats the WHERE clause of the index of these instances literally, since SQLite compares the text.
_IS_ELSEWHERE = live_instance.c.residence.in_([literal_column("'remote'"), literal_column("'none'")])

#: Attributes that can be answered without reading the header.
_PREPARED = frozenset(
    {
        *STUDY_ATTRIBUTES,
        *SERIES_ATTRIBUTES,
        *INSTANCE_ATTRIBUTES,
        tags.SPECIFIC_CHARACTER_SET,
        tags.INSTANCE_AVAILABILITY,
        tags.AVAILABLE_TRANSFER_SYNTAX_UID,
        tags.RETRIEVE_URL,
    }
)

# JSON is UTF-8, whatever the character set of the instance is (PS3.18 F.2).
UTF8 = line(tags.SPECIFIC_CHARACTER_SET, "CS", "ISO_IR 192")

_study_uid = text_writer(tags.STUDY_INSTANCE_UID, "UI")
_series_uid = text_writer(tags.SERIES_INSTANCE_UID, "UI")
_sop_class_uid = text_writer(tags.SOP_CLASS_UID, "UI")
_sop_instance_uid = text_writer(tags.SOP_INSTANCE_UID, "UI")
_available_transfer_syntax_uid = text_writer(tags.AVAILABLE_TRANSFER_SYNTAX_UID, "UI")
_retrieve_url = text_writer(tags.RETRIEVE_URL, "UR")
_series_of_study = number_writer(tags.NUMBER_OF_STUDY_RELATED_SERIES, "IS")
_instances_of_study = number_writer(tags.NUMBER_OF_STUDY_RELATED_INSTANCES, "IS")
_instances_of_series = number_writer(tags.NUMBER_OF_SERIES_RELATED_INSTANCES, "IS")


@lru_cache(maxsize=1024)
def _modalities_line(modalities: tuple[str, ...]) -> str:
    return line(tags.MODALITIES_IN_STUDY, "CS", *modalities)


@dataclass(frozen=True, slots=True)
class Answer:
    """One match: its UIDs, down to its level, and its attributes.

    Bulk values of a complete header are relative addresses, as in the metadata.
    """

    study_instance_uid: str
    series_instance_uid: str | None
    sop_instance_uid: str | None
    lines: tuple[str, ...]

    def json(self, retrieve_url: str | None = None) -> str:
        """Return the match as a DICOM JSON object (PS3.18 F.2), with Retrieve URL if one is given."""
        if retrieve_url is None:
            return attribute_lines.join(self.lines)
        return attribute_lines.join((*self.lines, _retrieve_url(retrieve_url)))


def study_answers(connection: Connection, rows: Sequence[Any], wanted: AbstractSet[TagPath]) -> list[Answer]:
    keys = [row.id for row in rows]
    modalities = _modalities(connection, keys)
    elsewhere = {study for study, _ in _elsewhere(connection, keys)}
    classes = _sop_classes(connection, keys) if wanted & {(), (tags.SOP_CLASSES_IN_STUDY,)} else {}
    answers = []
    for row in rows:
        lines = [
            UTF8,
            _study_uid(row.study_instance_uid),
            _NEARLINE if row.id in elsewhere else _ONLINE,
            _modalities_line(tuple(modalities.get(row.id, ()))),
            _series_of_study(row.series_count),
            _instances_of_study(row.instance_count),
        ]
        if row.id in classes:
            lines.append(line(tags.SOP_CLASSES_IN_STUDY, "UI", *classes[row.id]))
        answers.append(Answer(row.study_instance_uid, None, None, _merged(row.attributes, lines)))
    return answers


def series_answers(connection: Connection, rows: Sequence[Any], *, with_study: bool) -> list[Answer]:
    elsewhere = {key for _, key in _elsewhere(connection, [row.study for row in rows])}
    answers = []
    for row in rows:
        lines = [
            UTF8,
            _study_uid(row.study_instance_uid),
            _series_uid(row.series_instance_uid),
            _NEARLINE if row.id in elsewhere else _ONLINE,
            _instances_of_series(row.instance_count),
        ]
        above = row.study_attributes if with_study else "{}"
        answers.append(
            Answer(
                row.study_instance_uid,
                row.series_instance_uid,
                None,
                _merged(above, attribute_lines.split(row.attributes), lines),
            )
        )
    return answers


def instance_answers(
    connection: Connection,
    rows: Sequence[Any],
    wanted: AbstractSet[TagPath],
    *,
    with_study: bool,
    with_series: bool,
    derived: Derived = nothing_derived,
) -> list[Answer]:
    beside = _headers(connection, [row.id for row in rows], wanted, derived)
    tells_syntax = bool(wanted & {(), (tags.AVAILABLE_TRANSFER_SYNTAX_UID,)})
    answers = []
    for row in rows:
        lines = [
            UTF8,
            _study_uid(row.study_instance_uid),
            _series_uid(row.series_instance_uid),
            _sop_class_uid(row.sop_class_uid),
            _sop_instance_uid(row.sop_instance_uid),
            _AVAILABILITY[row.residence],
        ]
        if tells_syntax:
            lines.append(_available_transfer_syntax_uid(row.transfer_syntax_uid))
        answers.append(
            Answer(
                row.study_instance_uid,
                row.series_instance_uid,
                row.sop_instance_uid,
                _merged(
                    row.study_attributes if with_study else "{}",
                    attribute_lines.split(row.series_attributes) if with_series else (),
                    attribute_lines.split(row.attributes),
                    beside.get(row.id, ()),
                    lines,
                ),
            )
        )
    return answers


def _merged(above: str, *levels: Iterable[str]) -> tuple[str, ...]:
    """Return the attributes of several levels. If several levels have an attribute, the last one counts.

    Whatever representation an object gave to an attribute, the answer has the dictionary's.
    """
    found = {each[1:9]: each for each in attribute_lines.split(above)}
    for lines in levels:
        for each in lines:
            found[each[1:9]] = each
    return tuple([in_dictionary_vr(each) for each in found.values()])


# Built once, because building a statement costs more than SQLite needs to run it.
_MODALITIES = (
    select(series.c.study, series.c.modality)
    .where(
        series.c.study.in_(bindparam("studies", expanding=True)),
        series.c.instance_count > 0,
        series.c.modality != "",
    )
    .distinct()
    .order_by(series.c.study, series.c.modality)
)


def _modalities(connection: Connection, studies: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for key, modality in connection.execute(_MODALITIES, {"studies": studies}):
        found.setdefault(key, []).append(modality)
    return found


def _sop_classes(connection: Connection, studies: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for key, uid in connection.execute(
        select(live_instance.c.study, live_instance.c.sop_class_uid)
        .where(live_instance.c.study.in_(studies))
        .distinct()
        .order_by(live_instance.c.study, live_instance.c.sop_class_uid)
    ):
        found.setdefault(key, []).append(uid)
    return found


# One query each, so that each uses its own index.
_PLACES_ELSEWHERE = union(
    *(
        select(live_instance.c.study, live_instance.c.series).where(
            live_instance.c.study.in_(bindparam("studies", expanding=True)), lies_there
        )
        for lies_there in (_IS_ELSEWHERE, live_instance.c.residence == DAMAGED)
    )
)


def _elsewhere(connection: Connection, studies: Iterable[int]) -> list[tuple[int, int]]:
    """Return those (study, series) keys, within these studies, whose bytes are not all available."""
    found = connection.execute(_PLACES_ELSEWHERE, {"studies": sorted({*studies})})
    return [(row.study, row.series) for row in found]


def _headers(
    connection: Connection, keys: Sequence[int], wanted: AbstractSet[TagPath], derived: Derived
) -> dict[int, list[str]]:
    """Return the requested attributes that only the header has, by instance."""
    everything = () in wanted
    beside = {f"{path[0]:08X}" for path in wanted if path and path[0] not in _PREPARED}
    if not everything and not beside:
        return {}
    found: dict[int, list[str]] = {}
    with MEMORY.open() as memory:
        for key, header in headers(connection, keys, derived=derived, memory=memory).items():
            lines = attribute_lines.split(header.decode())
            found[key] = [each for each in lines if everything or attribute_lines.tag(each) in beside]
    return found
