"""Which instances of a study are available, in the terms of Instance Availability (0008,0056) (PS3.3 C.4.23.1.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, case, exists, false, or_, select

from kinote.catalog.schema.tables import (
    instance,
    rejection_note,
    series,
    study,
    withdrawal,
    withdrawal_target,
)


class Availability(StrEnum):
    """Whether an instance can be retrieved, and how soon (PS3.3 C.4.23.1.1)."""

    ONLINE = "ONLINE"
    #: Another system has its bytes, and they are recalled when somebody asks.
    NEARLINE = "NEARLINE"
    #: It has left operational use, or its bytes cannot be had.
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class AvailableInstance:
    """An instance and its availability."""

    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    availability: Availability


_LIVE = {
    "local": Availability.ONLINE,
    "derivable": Availability.ONLINE,
    "remote": Availability.NEARLINE,
}


def availability_of(connection: Connection, study_instance_uid: str) -> Iterator[AvailableInstance]:
    """Return the instances that a study has or had, series by series.

    What has been withdrawn or purged is among them, as unavailable: who was told of it must learn that. While the undo
    window of its withdrawal is open nobody learns of it (law 4): it is as before. Held copies are not among them:
    nobody has heard of them.
    """
    told = withdrawal_target.join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    # The closing of the window is told by the rejection note of the study.
    has_note = exists(
        select(rejection_note.c.id)
        .where(
            rejection_note.c.withdrawal == withdrawal.c.id,
            rejection_note.c.study_instance_uid == study_instance_uid,
        )
        .correlate(withdrawal)
    )
    is_known = exists(
        select(withdrawal.c.id)
        .select_from(told)
        .where(
            withdrawal_target.c.sop_instance_uid == instance.c.sop_instance_uid,
            or_(withdrawal_target.c.instance.is_(None), withdrawal_target.c.instance == instance.c.id),
            withdrawal_target.c.spared == "",
            withdrawal.c.effect == "hidden",
            withdrawal.c.undone_at.is_(None),
            or_(withdrawal.c.closed_at.is_not(None), ~has_note),
        )
        .correlate(instance)
    )
    query = (
        select(
            series.c.series_instance_uid,
            instance.c.sop_class_uid,
            instance.c.sop_instance_uid,
            instance.c.standing,
            instance.c.residence,
            case((instance.c.standing == "withdrawn", ~is_known), else_=false()).label("is_withdrawn_unseen"),
        )
        .join(series, series.c.id == instance.c.series)
        .join(study, study.c.id == instance.c.study)
        .where(
            study.c.study_instance_uid == study_instance_uid,
            instance.c.is_current,
            or_(*(instance.c.standing == standing for standing in ("live", "withdrawn", "purged"))),
        )
        .order_by(series.c.id, instance.c.id)
    )
    for row in connection.execute(query):
        is_there = row.standing == "live" or row.is_withdrawn_unseen
        available = _LIVE.get(row.residence) if is_there else None
        yield AvailableInstance(
            row.series_instance_uid,
            row.sop_class_uid,
            row.sop_instance_uid,
            available or Availability.UNAVAILABLE,
        )
