"""Why something is missing: asked by accession number, patient, study, instance, or by a sender and a time.

The causes come in a fixed order, that of `docs/troubleshooting.md`, each with what to do. All answers are from rows.
Where nothing is wrong, that is the answer, too: it is there, and something beside Kinote hides it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, literal_column, or_, select

from kinote.catalog.schema.tables import (
    instance,
    key_object,
    note_reference,
    note_study,
    note_version,
    refused_arrival,
    study,
    told_availability,
)

#: How many UIDs a cause names, up to how many it counts, and how many studies are looked at.
_SHOWN, _COUNTED, _STUDIES = 20, 10_000, 100

#: How many of the last instances are looked at for a sender: there is no list of what a sender has sent.
_LAST = 20_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody misses. Empty parts say nothing; moments are as in columns."""

    accession: str = ""
    patient: str = ""
    study: str = ""
    instance: str = ""
    sender: str = ""
    since: str = ""
    until: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.accession or self.patient or self.study or self.instance or self.sender)


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason: a stable code, a sentence, what to do, and the UIDs that it is about (the first of `count`)."""

    code: str
    sentence: str
    remedy: str
    count: int = 0
    uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is of what was asked for: keys and UIDs of studies, and a condition on its instances."""

    studies: Sequence[Any]
    instances: ColumnElement[bool]

    @property
    def study_uids(self) -> list[str]:
        return [row.study_instance_uid for row in self.studies]


def missing(connection: Connection, asked: Asked) -> list[Cause]:
    """Return all causes that apply, in their order; at least one."""
    found = _find(connection, asked)
    causes = [cause for look in _ORDER for cause in look(connection, asked, found)]
    if not causes:
        causes += _visible(connection, found)
    return causes


def _find(connection: Connection, asked: Asked) -> _Found:
    columns = (
        study.c.id,
        study.c.study_instance_uid,
        study.c.patient_id,
        study.c.accession_number,
    )
    wanted: list[ColumnElement[bool]] = []
    if asked.study:
        wanted.append(study.c.study_instance_uid == asked.study)
    if asked.accession:
        wanted.append(study.c.accession_number == asked.accession)
    if asked.patient and not wanted:
        # With a study or an order, the patient is compared instead: see `_other_patient`.
        wanted.append(study.c.patient_id == asked.patient)
    if asked.instance:
        keys = select(instance.c.study).where(_with_uid(asked.instance))
        wanted.append(study.c.id.in_(keys))
    if not wanted and asked.sender:
        # There are too many instances to look through all of them.
        first = (connection.execute(select(func.max(instance.c.id))).scalar_one_or_none() or 0) - _LAST
        by_sender = and_(
            instance.c.id > first,
            instance.c.brought_by_name == asked.sender,
            instance.c.received_at >= asked.since,
            instance.c.received_at <= (asked.until or "9"),
        )
        wanted.append(study.c.id.in_(select(instance.c.study).where(by_sender)))
        rows = connection.execute(select(*columns).where(*wanted).limit(_STUDIES)).all()
        return _Found(rows, by_sender)
    rows = connection.execute(select(*columns).where(*wanted).limit(_STUDIES)).all()
    if asked.instance:
        return _Found(rows, _with_uid(asked.instance))
    return _Found(rows, instance.c.study.in_([row.id for row in rows]))


def _with_uid(uid: str | ColumnElement[str]) -> ColumnElement[bool]:
    # One query each, so that each uses its own index.
    return or_(
        and_(instance.c.sop_instance_uid == uid, instance.c.is_current),
        and_(instance.c.sop_instance_uid == uid, ~instance.c.is_current),
    )


def _never_offered(connection: Connection, asked: Asked, found: _Found) -> Iterator[Cause]:
    if found.studies or _refusals(connection, asked)[0]:
        return
    if _may_have_been_refused(connection, asked):
        yield Cause(
            "NEVER_OFFERED",
            "Kinote has not been offered this in the last 90 days, or has refused it before it could tell what it was: "
            "of refused objects at most the UID is known, and of many from one sender only the number.",
            "See the refused arrivals (`GET /api/v1/arrivals/refused`) of the sender at that time, and the log of the "
            "sender.",
        )
        return
    yield Cause(
        "NEVER_OFFERED",
        "Kinote has never been offered this, or not in the last 90 days.",
        "See in the log of the sender whether it was sent, to which host, port and AE title. `kinote echo` shows "
        "whether the sender can be reached, `kinote peers list` whether it is known and may store.",
    )


def _refused(connection: Connection, asked: Asked, found: _Found) -> Iterator[Cause]:
    count, rows = _refusals(connection, asked)
    if not count:
        return
    last = rows[0]
    how = "broken off" if last.kind == "aborted" else f"refused with status {last.status:04X}H"
    yield Cause(
        "REFUSED",
        f"{count} objects were offered and not taken. The last, from {last.sender or 'an unnamed sender'} at "
        f"{last.happened_at}, was {how}: {last.comment}",
        "Remove the cause that the sentence names, and send them again.",
        count,
        tuple(dict.fromkeys(row.sop_instance_uid for row in rows if row.sop_instance_uid)),
    )


def _may_have_been_refused(connection: Connection, asked: Asked) -> bool:
    """Return whether there are refused arrivals in the time that may be what was asked for."""
    wanted = _in_time(asked)
    if asked.instance or asked.sender:
        # Others have a row that names them.
        wanted.append(or_(refused_arrival.c.count > 1, refused_arrival.c.sop_instance_uid == ""))
    return connection.execute(select(refused_arrival.c.id).where(*wanted).limit(1)).first() is not None


def _in_time(asked: Asked) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if asked.since:
        wanted.append(refused_arrival.c.happened_at >= asked.since)
    if asked.until:
        wanted.append(refused_arrival.c.happened_at <= asked.until)
    return wanted


def _refusals(connection: Connection, asked: Asked) -> tuple[int, Sequence[Any]]:
    wanted = _in_time(asked)
    if asked.instance:
        wanted.append(refused_arrival.c.sop_instance_uid == asked.instance)
    elif asked.sender:
        wanted.append(refused_arrival.c.sender == asked.sender)
    else:
        # A refused object has told its UID at most.
        return 0, ()
    rows = connection.execute(
        select(refused_arrival).where(*wanted).order_by(refused_arrival.c.id.desc()).limit(_SHOWN)
    ).all()
    if not rows:
        return 0, ()
    count = connection.execute(select(func.sum(refused_arrival.c.count)).where(*wanted)).scalar_one()
    return int(count or 0), rows


def _held(connection: Connection, _asked: Asked, found: _Found) -> Iterator[Cause]:
    yield from _instances(
        connection,
        and_(found.instances, instance.c.standing == "held", instance.c.standing != literal_column("'live'")),
        "HELD",
        "{} copies are held: another object came first under the same UID, and a person has to decide.",
        "Decide about them under Held copies, or by `POST /api/v1/held/…`.",
    )


def _unreadable(connection: Connection, _asked: Asked, found: _Found) -> Iterator[Cause]:
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
    yield from _cause(
        connection,
        query,
        "UNREADABLE",
        "{} key objects could not be understood, and flag nothing.",
        "`kinote explain UID` has the findings. Tell the vendor of the sender; after an update of Kinote, run "
        "`kinote doctor`.",
    )


def _hidden_title(connection: Connection, _asked: Asked, found: _Found) -> Iterator[Cause]:
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
    yield from _cause(
        connection,
        query,
        "HIDDEN_TITLE",
        "{} key objects are rejection notes or manifests. These are never shown as key images.",
        "Ask for them with `GET /api/v1/studies/…/notes?all=true`. If it was to be a key image note, make it under a "
        "clinical title.",
    )


def _references(found: _Found) -> Any:
    """Return the references of current versions of notes that flag something in these studies."""
    return (
        select(note_reference.c.sop_instance_uid)
        .join(note_version, note_version.c.id == note_reference.c.version)
        .join(note_study, note_study.c.version == note_version.c.id)
        .where(note_version.c.is_current, note_study.c.study_instance_uid.in_(found.study_uids))
        .distinct()
    )


def _pending(connection: Connection, _asked: Asked, found: _Found) -> Iterator[Cause]:
    here = (
        select(instance.c.id)
        .where(instance.c.sop_instance_uid == note_reference.c.sop_instance_uid, instance.c.is_current)
        .exists()
    )
    yield from _cause(
        connection,
        _references(found).where(~here),
        "PENDING",
        "Notes flag {} objects that Kinote has never received.",
        "Send these objects to Kinote: the notes show them at once when they arrive.",
    )


def _foreign(connection: Connection, _asked: Asked, found: _Found) -> Iterator[Cause]:
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
    yield from _cause(
        connection,
        query,
        "FOREIGN",
        "Notes of another patient flag {} objects of this study. They have no effect here.",
        "See whether a patient or a study is wrong: correct or merge the patients, and the notes show.",
    )


def _withdrawn(connection: Connection, _asked: Asked, found: _Found) -> Iterator[Cause]:
    not_live = instance.c.standing != literal_column("'live'")
    yield from _instances(
        connection,
        and_(found.instances, instance.c.standing == "withdrawn", instance.c.is_current, not_live),
        "WITHDRAWN",
        "{} objects are withdrawn from use.",
        "`kinote explain UID` says by whom and why. Undo the withdrawal if it was a mistake.",
    )
    yield from _instances(
        connection,
        and_(found.instances, instance.c.standing == "purged", instance.c.is_current, not_live),
        "PURGED",
        "{} objects were withdrawn and then purged: their bytes are gone.",
        "`kinote purges list` says when and why. If they are needed again, the sender has to send them; whether they "
        "are taken is up to the act.",
    )


def _other_study_or_patient(_connection: Connection, asked: Asked, found: _Found) -> Iterator[Cause]:
    if asked.patient:
        others = [row for row in found.studies if row.patient_id != asked.patient]
        if others:
            whose = ", ".join(sorted({row.patient_id or "nobody" for row in others})[:3])
            yield Cause(
                "OTHER_PATIENT",
                f"{len(others)} studies are there under another patient: {whose}.",
                "Look under that patient. If it is wrong, correct the study or merge the patients.",
                len(others),
                tuple(row.study_instance_uid for row in others[:_SHOWN]),
            )
    if asked.accession and len(found.studies) > 1:
        yield Cause(
            "OTHER_STUDY",
            f"{len(found.studies)} studies have this accession number.",
            "Look into each of them. A modality that makes a study anew for the same order does this.",
            len(found.studies),
            tuple(found.study_uids[:_SHOWN]),
        )


def _bytes_elsewhere(connection: Connection, _asked: Asked, found: _Found) -> Iterator[Cause]:
    yield from _instances(
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


def _visible(connection: Connection, found: _Found) -> Iterator[Cause]:
    yield from _instances(
        connection,
        and_(found.instances, instance.c.standing == "live", instance.c.is_current),
        "RIGHT_OR_FILTER",
        "{} objects are live: every interface of Kinote has them.",
        "See whether the filter of a list or a query leaves them out, and whether who asks may see them "
        "(`kinote peers show`).",
    )


def _at_a_peer(connection: Connection, asked: Asked, found: _Found) -> Iterator[Cause]:
    """Look for what a peer has told of (PS3.4 Annex R), and has not arrived here."""
    about = []
    studies = {*found.study_uids, asked.study} - {""}
    if asked.instance:
        about.append(told_availability.c.sop_instance_uid == asked.instance)
    elif studies:
        about.append(told_availability.c.study_instance_uid.in_(sorted(studies)))
    if about:
        is_here = exists(select(instance.c.id).where(_with_uid(told_availability.c.sop_instance_uid)))
        query = (
            select(told_availability.c.sop_instance_uid)
            .where(*about, told_availability.c.availability != "UNAVAILABLE", ~is_here)
            .distinct()
        )
        yield from _cause(
            connection,
            query,
            "AT_A_PEER",
            "{} objects have not arrived here, and a peer says that it has them.",
            "`kinote explain UID` says which peer. Have it send them, or see why it has not.",
        )


#: The causes in the order in which they are looked for.
_ORDER: tuple[Callable[[Connection, Asked, _Found], Iterator[Cause]], ...] = (
    _never_offered,
    _refused,
    _held,
    _unreadable,
    _hidden_title,
    _pending,
    _foreign,
    _withdrawn,
    _other_study_or_patient,
    _at_a_peer,
    _bytes_elsewhere,
)

#: The codes of all causes, in their order.
CODES = (
    "NEVER_OFFERED",
    "REFUSED",
    "HELD",
    "UNREADABLE",
    "HIDDEN_TITLE",
    "PENDING",
    "FOREIGN",
    "WITHDRAWN",
    "PURGED",
    "OTHER_PATIENT",
    "OTHER_STUDY",
    "AT_A_PEER",
    "DAMAGED",
    "RIGHT_OR_FILTER",
)


def _instances(
    connection: Connection, condition: ColumnElement[bool], code: str, sentence: str, remedy: str
) -> Iterator[Cause]:
    yield from _cause(
        connection, select(instance.c.sop_instance_uid).where(condition), code, sentence, remedy
    )


def _cause(connection: Connection, query: Any, code: str, sentence: str, remedy: str) -> Iterator[Cause]:
    uids = list(connection.execute(query.limit(_COUNTED)).scalars())
    if uids:
        yield Cause(code, sentence.format(len(uids)), remedy, len(uids), tuple(uids[:_SHOWN]))
