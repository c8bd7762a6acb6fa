"""The contents of the study list and the study page."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from kinote.catalog.columns.normal import text as normal_text
from kinote.catalog.instances import study_text
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import note_study, note_version, series, study
from kinote.dicom.dictionary import sop_classes
from kinote.dicom.values.person_names import joined_groups
from kinote.lifecycle.copies.patient_conflicts import conflicts
from kinote.lifecycle.copies.proposed_corrections import proposed_corrections
from kinote.notes.belonging import belongs_to_study
from kinote.notes.lists.load import is_in_use
from kinote.notes.lists.queries import NO_MARKS
from kinote.notes.lists.search import SearchError

_Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFilter:
    """The requested studies; empty fields match any. Dates are `YYYYMMDD`, the title `value` or `scheme|value`."""

    text: str = ""
    patient: str = ""
    title: str = ""
    modality: str = ""
    first_date: str = ""
    last_date: str = ""
    with_notes: bool = False


def studies(
    connection: Connection, wanted: StudyFilter, *, after: tuple[str, int] | None, limit: int
) -> tuple[list[_Json], tuple[str, int] | None]:
    """Return a page of studies, newest first, and the position where the next page begins (None: this was the
    last).

    `after` is the study date and key at the end of the previous page.
    """
    query = select(study).where(study.c.instance_count > 0, *_conditions(connection, wanted))
    if after is not None:
        query = query.where(
            or_(study.c.study_date < after[0], and_(study.c.study_date == after[0], study.c.id < after[1]))
        )
    query = query.order_by(study.c.study_date.desc(), study.c.id.desc()).limit(limit + 1)
    rows = connection.execute(query).all()
    more = len(rows) > limit
    rows = rows[:limit]
    return _summaries(connection, rows), (rows[-1].study_date, rows[-1].id) if more else None


def study_detail(connection: Connection, study_instance_uid: str) -> _Json | None:
    """Return one study with its series and instances; None if nothing of it is live."""
    row = connection.execute(
        select(study).where(study.c.study_instance_uid == study_instance_uid, study.c.instance_count > 0)
    ).one_or_none()
    if row is None:
        return None
    (summary,) = _summaries(connection, [row])
    return {
        **summary,
        "patient_conflict": _patient_conflict(connection, study_instance_uid),
        "proposed_corrections": len(proposed_corrections(connection, study_instance_uid=study_instance_uid)),
        "series": _series(connection, row.id),
    }


def _patient_conflict(connection: Connection, study_instance_uid: str) -> _Json | None:
    """Return the banner of a study of which copies are held that name another patient; None if there are none."""
    found = conflicts(connection, [study_instance_uid]).get(study_instance_uid)
    if found is None:
        return None
    return {
        "sentence": found.sentence,
        "copies": found.copies,
        "said": [{"patient_id": patient_id, "issuer": issuer} for patient_id, issuer in found.said],
    }


def study_labels(connection: Connection, study_instance_uids: Collection[str]) -> dict[str, _Json]:
    """Return what distinguishes studies for people, by Study Instance UID, for those with something live."""
    query = select(study).where(
        study.c.study_instance_uid.in_(study_instance_uids), study.c.instance_count > 0
    )
    return {
        row.study_instance_uid: {
            "patient_id": row.patient_id,
            "patient_name": person_name(json.loads(row.attributes), "00100010"),
            "study_date": row.study_date,
            "description": row.study_description,
        }
        for row in connection.execute(query)
    }


def _conditions(connection: Connection, wanted: StudyFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.text.strip():
        if study_text.is_too_long(wanted.text):
            raise SearchError("text", f"text: at most {study_text.MAX_WORDS} words")
        conditions.append(study_text.matches(connection, wanted.text))
    if wanted.patient:
        conditions.append(study.c.patient_id == normal_text(wanted.patient))
    if wanted.first_date:
        conditions.append(study.c.study_date >= wanted.first_date)
    if wanted.last_date:
        conditions.append(and_(study.c.study_date != "", study.c.study_date <= wanted.last_date))
    if wanted.modality:
        conditions.append(
            select(series.c.id)
            .where(
                series.c.study == study.c.id,
                series.c.modality == wanted.modality.upper(),
                series.c.instance_count > 0,
            )
            .correlate(study)
            .exists()
        )
    if wanted.with_notes or wanted.title:
        marks = _marks()
        if wanted.title:
            scheme, _, value = wanted.title.rpartition("|")
            marks = marks.where(note_version.c.title_value == value)
            marks = marks.where(note_version.c.title_scheme == scheme) if scheme else marks
        conditions.append(
            marks.where(note_study.c.study_instance_uid == study.c.study_instance_uid)
            .correlate(study)
            .exists()
        )
    return conditions


def _marks() -> Any:
    """Return the current versions of notes that a live KOS carries and that are shown as marks, by study."""
    return (
        select(note_study.c.version)
        .join(note_version, note_version.c.id == note_study.c.version)
        .where(
            note_version.c.is_current,
            note_version.c.title_group.not_in(NO_MARKS),
            is_in_use(),
            belongs_to_study(),
        )
    )


def _summaries(connection: Connection, rows: Sequence[Row[Any]]) -> list[_Json]:
    keys = [row.id for row in rows]
    uids = [row.study_instance_uid for row in rows]
    modalities: dict[int, list[str]] = {}
    for key, modality in connection.execute(
        select(series.c.study, series.c.modality)
        .where(series.c.study.in_(keys), series.c.instance_count > 0, series.c.modality != "")
        .distinct()
        .order_by(series.c.study, series.c.modality)
    ):
        modalities.setdefault(key, []).append(modality)
    counted = _marks().with_only_columns(note_study.c.study_instance_uid, func.count())
    counted = counted.where(note_study.c.study_instance_uid.in_(uids))
    notes: dict[str, int] = {
        uid: number for uid, number in connection.execute(counted.group_by(note_study.c.study_instance_uid))
    }
    images = _images(connection, keys)
    thumbnails = _thumbnails(connection, keys)
    return [
        _summary(
            row,
            modalities.get(row.id, []),
            notes.get(row.study_instance_uid, 0),
            images.get(row.id, (0, 0)),
            thumbnails.get(row.id),
        )
        for row in rows
    ]


def _images(connection: Connection, keys: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return for each study how many series have images, and how many objects these series have.

    A series has one modality, so it has either images or documents. Its first instance tells which, and its counter
    counts its instances, whatever its length.
    """
    shows = (
        select(live_instance.c.id)
        .where(live_instance.c.series == series.c.id, live_instance.c.pixel_rows > 0)
        .correlate(series)
        .exists()
    )
    query = (
        select(series.c.study, func.count(), func.sum(series.c.instance_count))
        .where(series.c.study.in_(keys), series.c.instance_count > 0, shows)
        .group_by(series.c.study)
    )
    return {key: (number, int(images)) for key, number, images in connection.execute(query)}


def _thumbnails(connection: Connection, keys: Sequence[int]) -> dict[int, _Json]:
    """Return the first received image of each study."""
    # A look-up that ends at the first image, instead of a minimum over all instances of a study.
    first = (
        select(live_instance.c.id)
        .where(live_instance.c.study == study.c.id, live_instance.c.pixel_rows > 0)
        .order_by(live_instance.c.id)
        .limit(1)
        .correlate(study)
        .scalar_subquery()
    )
    query = (
        select(live_instance.c.study, series.c.series_instance_uid, live_instance.c.sop_instance_uid)
        .join_from(study, live_instance, live_instance.c.id == first)
        .join(series, series.c.id == live_instance.c.series)
        .where(study.c.id.in_(keys))
    )
    return {
        row.study: {"series_instance_uid": row.series_instance_uid, "sop_instance_uid": row.sop_instance_uid}
        for row in connection.execute(query)
    }


def _summary(
    row: Row[Any], modalities: list[str], notes: int, images: tuple[int, int], thumbnail: _Json | None
) -> _Json:
    attributes: Mapping[str, Any] = json.loads(row.attributes)
    return {
        "study_instance_uid": row.study_instance_uid,
        "patient_id": row.patient_id,
        "patient_name": person_name(attributes, "00100010"),
        "patient_birth_date": row.patient_birth_date,
        "patient_sex": row.patient_sex,
        "study_date": row.study_date,
        "study_time": row.study_time,
        "description": row.study_description,
        "accession_number": row.accession_number,
        "modalities": modalities,
        "series_count": row.series_count,
        "instance_count": row.instance_count,
        "image_series_count": images[0],
        "image_count": images[1],
        "note_count": notes,
        "thumbnail": thumbnail,
    }


def person_name(attributes: Mapping[str, Any], tag: str) -> str:
    """Return a name as received, with `=` between component groups. The matched columns have it folded."""
    values = attributes.get(tag, {}).get("Value") or [None]
    return joined_groups(values[0])


def _series(connection: Connection, study_key: int) -> list[_Json]:
    found: dict[int, _Json] = {}
    for row in connection.execute(
        select(series)
        .where(series.c.study == study_key, series.c.instance_count > 0)
        .order_by(series.c.series_number.is_(None), series.c.series_number, series.c.id)
    ):
        found[row.id] = {
            "series_instance_uid": row.series_instance_uid,
            "modality": row.modality,
            "number": row.series_number,
            "description": row.series_description,
            "body_part": row.body_part_examined,
            "instances": [],
        }
    for row in connection.execute(
        select(
            live_instance.c.series,
            live_instance.c.sop_instance_uid,
            live_instance.c.sop_class_uid,
            live_instance.c.instance_number,
            live_instance.c.frames,
            live_instance.c.pixel_rows,
            live_instance.c.pixel_columns,
        )
        .where(live_instance.c.study == study_key)
        .order_by(
            live_instance.c.instance_number.is_(None), live_instance.c.instance_number, live_instance.c.id
        )
    ):
        if row.series in found:
            found[row.series]["instances"].append(_instance(row))
    return list(found.values())


def _instance(row: Row[Any]) -> _Json:
    return {
        "sop_instance_uid": row.sop_instance_uid,
        "sop_class_uid": row.sop_class_uid,
        "number": row.instance_number,
        "frames": row.frames or 1,
        "rows": row.pixel_rows,
        "columns": row.pixel_columns,
        # An unknown class with pixel data can be shown, too.
        "is_image": sop_classes.is_image(row.sop_class_uid) or bool(row.pixel_rows and row.pixel_columns),
    }
