"""Causes of what is here: it is not shown, or shown elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, and_, literal_column, or_, select

from kinote.catalog.schema.tables import instance, key_object, note_reference, note_study, note_version, study
from kinote.lifecycle.explaining.asked import SHOWN, Asked, Cause, Found, cause_of, of_instances


def held(connection: Connection, _asked: Asked, found: Found) -> Iterator[Cause]:
    """Tell of copies under a UID that another object has."""
    yield from of_instances(
        connection,
        and_(found.instances, instance.c.standing == "held", instance.c.standing != literal_column("'live'")),
        "HELD",
        "{} copies are held: another object came first under the same UID, and a person has to decide.",
        "Decide about them under Held copies, or by `POST /api/v1/held/…`.",
    )


def unreadable(connection: Connection, _asked: Asked, found: Found) -> Iterator[Cause]:
    """Tell of key objects that could not be understood."""
    query = (
        select(instance.c.sop_instance_uid)
        .join(key_object, key_object.c.instance == instance.c.id)
        .where(
            key_object.c.registration == "unreadable",
            instance.c.standing == "live",
            instance.c.is_current,
            or_(found.instances, key_object.c.unreadable_in_study.in_(found.study_uids)),
        )
    )
    yield from cause_of(
        connection,
        query,
        "UNREADABLE",
        "{} key objects could not be understood, and flag nothing.",
        "`kinote explain UID` has the findings. Tell the vendor of the sender; after an update of Kinote, run "
        "`kinote doctor`.",
    )


def hidden_title(connection: Connection, _asked: Asked, found: Found) -> Iterator[Cause]:
    """Tell of key objects that are never shown as key images."""
    query = (
        select(instance.c.sop_instance_uid)
        .join(key_object, key_object.c.instance == instance.c.id)
        .join(note_version, note_version.c.id == key_object.c.version)
        .where(
            found.instances,
            instance.c.standing == "live",
            instance.c.is_current,
            note_version.c.title_group.in_(("rejection", "manifest")),
        )
    )
    yield from cause_of(
        connection,
        query,
        "HIDDEN_TITLE",
        "{} key objects are rejection notes or manifests. These are never shown as key images.",
        "Ask for them with `GET /api/v1/studies/…/notes?all=true`. If it was to be a key image note, make it under a "
        "clinical title.",
    )


def _references(found: Found) -> Any:
    """Return the references of current versions of notes that flag something in these studies."""
    return (
        select(note_reference.c.sop_instance_uid)
        .join(note_version, note_version.c.id == note_reference.c.version)
        .join(note_study, note_study.c.version == note_version.c.id)
        .where(note_version.c.is_current, note_study.c.study_instance_uid.in_(found.study_uids))
        .distinct()
    )


def pending(connection: Connection, _asked: Asked, found: Found) -> Iterator[Cause]:
    """Tell what notes flag and has never come."""
    here = (
        select(instance.c.id)
        .where(instance.c.sop_instance_uid == note_reference.c.sop_instance_uid, instance.c.is_current)
        .exists()
    )
    yield from cause_of(
        connection,
        _references(found).where(~here),
        "PENDING",
        "Notes flag {} objects that Kinote has never received.",
        "Send these objects to Kinote: the notes show them at once when they arrive.",
    )


def foreign(connection: Connection, _asked: Asked, found: Found) -> Iterator[Cause]:
    """Tell what notes of another patient flag."""
    query = (
        select(instance.c.sop_instance_uid)
        .join(note_reference, note_reference.c.sop_instance_uid == instance.c.sop_instance_uid)
        .join(note_study, note_study.c.version == note_reference.c.version)
        .join(note_version, note_version.c.id == note_reference.c.version)
        .join(study, study.c.id == instance.c.study)
        .where(
            instance.c.is_current,
            note_version.c.is_current,
            note_study.c.study_instance_uid == study.c.study_instance_uid,
            ~note_study.c.flags_there,
            study.c.id.in_([row.id for row in found.studies]),
        )
        .distinct()
    )
    yield from cause_of(
        connection,
        query,
        "FOREIGN",
        "Notes of another patient flag {} objects of this study. They have no effect here.",
        "See whether a patient or a study is wrong: correct or merge the patients, and the notes show.",
    )


def withdrawn(connection: Connection, _asked: Asked, found: Found) -> Iterator[Cause]:
    """Tell what is withdrawn from use, or purged."""
    not_live = instance.c.standing != literal_column("'live'")
    yield from of_instances(
        connection,
        and_(found.instances, instance.c.standing == "withdrawn", instance.c.is_current, not_live),
        "WITHDRAWN",
        "{} objects are withdrawn from use.",
        "`kinote explain UID` says by whom and why. Undo the withdrawal if it was a mistake.",
    )
    yield from of_instances(
        connection,
        and_(found.instances, instance.c.standing == "purged", instance.c.is_current, not_live),
        "PURGED",
        "{} objects were withdrawn and then purged: their bytes are gone.",
        "`kinote purges list` says when and why. If they are needed again, the sender has to send them; whether they "
        "are taken is up to the act.",
    )


def other_study_or_patient(_connection: Connection, asked: Asked, found: Found) -> Iterator[Cause]:
    """Tell of studies under another patient, and of several studies of one order."""
    if asked.patient:
        others = [row for row in found.studies if row.patient_id != asked.patient]
        if others:
            whose = ", ".join(sorted({row.patient_id or "nobody" for row in others})[:3])
            yield Cause(
                "OTHER_PATIENT",
                f"{len(others)} studies are there under another patient: {whose}.",
                "Look under that patient. If it is wrong, correct the study or merge the patients.",
                len(others),
                tuple(row.study_instance_uid for row in others[:SHOWN]),
            )
    if asked.accession and len(found.studies) > 1:
        yield Cause(
            "OTHER_STUDY",
            f"{len(found.studies)} studies have this accession number.",
            "Look into each of them. A modality that makes a study anew for the same order does this.",
            len(found.studies),
            tuple(found.study_uids[:SHOWN]),
        )


def bytes_elsewhere(connection: Connection, _asked: Asked, found: Found) -> Iterator[Cause]:
    """Tell what is shown and cannot be sent."""
    yield from of_instances(
        connection,
        and_(
            found.instances,
            instance.c.standing == "live",
            instance.c.is_current,
            instance.c.residence == literal_column("'damaged'"),
        ),
        "DAMAGED",
        "{} objects are shown, and are not sent: their stored bytes are damaged.",
        "Send the same objects to Kinote again, which heals them, and see to the disk.",
    )


def visible(connection: Connection, found: Found) -> Iterator[Cause]:
    """Tell what is live, if nothing else is wrong."""
    yield from of_instances(
        connection,
        and_(found.instances, instance.c.standing == "live", instance.c.is_current),
        "RIGHT_OR_FILTER",
        "{} objects are live: every interface of Kinote has them.",
        "See whether the filter of a list or a query leaves them out, and whether who asks may see them "
        "(`kinote peers show`).",
    )
