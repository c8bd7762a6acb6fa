"""Why something is missing: asked by accession number, patient, study, instance, or by a sender and a time.

The causes come in a fixed order, that of `docs/troubleshooting.md`, each with what to do. All answers are from rows.
Where nothing is wrong, that is the answer, too: it is there, and something beside Kinote hides it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import ColumnElement, Connection, and_, func, select

from kinote.catalog.schema.tables import instance, study
from kinote.lifecycle.explaining.asked import Asked, Cause, Found, with_uid
from kinote.lifecycle.explaining.not_arrived import at_a_peer, never_offered, refused
from kinote.lifecycle.explaining.not_shown import (
    bytes_elsewhere,
    foreign,
    held,
    hidden_title,
    other_study_or_patient,
    pending,
    unreadable,
    visible,
    withdrawn,
)

#: How many studies are looked at.
_STUDIES = 100

#: How many of the last instances are looked at for a sender: there is no list of what a sender has sent.
_LAST = 20_000


def missing(connection: Connection, asked: Asked) -> list[Cause]:
    """Return all causes that apply, in their order; at least one."""
    found = _find(connection, asked)
    causes = [cause for look in _ORDER for cause in look(connection, asked, found)]
    if not causes:
        causes += visible(connection, found)
    return causes


def _find(connection: Connection, asked: Asked) -> Found:
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
        # With a study or an order, the patient is compared instead (`other_study_or_patient`).
        wanted.append(study.c.patient_id == asked.patient)
    if asked.instance:
        keys = select(instance.c.study).where(with_uid(asked.instance))
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
        return Found(rows, by_sender)
    rows = connection.execute(select(*columns).where(*wanted).limit(_STUDIES)).all()
    if asked.instance:
        return Found(rows, with_uid(asked.instance))
    return Found(rows, instance.c.study.in_([row.id for row in rows]))


#: The causes in the order in which they are looked for.
_ORDER: tuple[Callable[[Connection, Asked, Found], Iterator[Cause]], ...] = (
    never_offered,
    refused,
    held,
    unreadable,
    hidden_title,
    pending,
    foreign,
    withdrawn,
    other_study_or_patient,
    at_a_peer,
    bytes_elsewhere,
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
