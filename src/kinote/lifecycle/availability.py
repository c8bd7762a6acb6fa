"""Which instances of a study can be had, in the terms of Instance Availability (0008,0056) (PS3.3 C.4.23.1.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, or_, select

from kinote.catalog.schema.tables import instance, series, study


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

    What has been withdrawn or purged is among them, as unavailable: who was told of it must learn that. Held copies are
    not: nobody has heard of them.
    """
    query = (
        select(
            series.c.series_instance_uid,
            instance.c.sop_class_uid,
            instance.c.sop_instance_uid,
            instance.c.standing,
            instance.c.residence,
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
        available = _LIVE.get(row.residence) if row.standing == "live" else None
        yield AvailableInstance(
            row.series_instance_uid,
            row.sop_class_uid,
            row.sop_instance_uid,
            available or Availability.UNAVAILABLE,
        )
