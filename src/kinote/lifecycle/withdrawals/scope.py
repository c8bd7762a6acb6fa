"""What a withdrawal would withdraw: the instances meant by studies, series and UIDs, and how many of which study."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import instance, series, study, withdrawal_target
from kinote.catalog.sql import statements
from kinote.dicom.values.person_names import joined_groups


class NothingMeantError(ValueError):
    """Nothing that is live has this UID, no such copy exists, or a copy is named beside the whole.

    `field` says which part of the request it is.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.field = name


@dataclass(frozen=True, slots=True)
class StudyShare:
    """How many instances of a study, in how many series, are concerned, and what tells people which study it is."""

    study_instance_uid: str
    patient_id: str
    patient_name: str
    accession_number: str
    study_date: str
    series: int
    instances: int


@dataclass(frozen=True, slots=True)
class Scope:
    """The instances that a withdrawal names, as they are before it.

    `copies` are single copies, by UID. `withdrawn` are live now and will not be any more; `already_withdrawn` are out
    of use before; `not_here` have not arrived.
    """

    sop_instance_uids: tuple[str, ...]
    copies: Mapping[str, int]
    withdrawn: int
    already_withdrawn: int
    not_here: int
    studies: tuple[StudyShare, ...] = field(default=())


def scope(
    connection: Connection,
    *,
    studies: Sequence[str] = (),
    series_uids: Sequence[str] = (),
    instances: Iterable[str] = (),
    copies: Mapping[str, int] | None = None,
) -> Scope:
    """Find what is meant: of studies and series all that is live now, and the instances, arrived or not.

    Raises `NothingMeantError`.
    """
    named = {
        "studies": (studies, _of_studies),
        "series": (series_uids, _of_series),
    }
    uids = {*instances, *(copies or {})}
    for name, (wanted, look_up) in named.items():
        found: dict[str, list[str]] = {}
        for row in look_up(connection, wanted):
            found.setdefault(row.wanted, []).append(row.sop_instance_uid)
        for position, uid in enumerate(wanted):
            if uid not in found:
                raise NothingMeantError(f"{name}[{position}]", f"Nothing of {uid} is live.")
            twice = next((each for each in found[uid] if each in (copies or {})), None)
            if twice is not None:
                raise NothingMeantError("instances", f"A single copy of {twice} is named, and all of {uid}.")
            uids.update(found[uid])
    _see_copies(connection, copies or {})
    rows = list(_standings(connection, uids))
    meant = copies or {}
    live = [
        row for row in rows if row.standing == "live" and meant.get(row.sop_instance_uid, row.id) == row.id
    ]
    return Scope(
        tuple(sorted(uids)),
        copies or {},
        withdrawn=len(live),
        already_withdrawn=sum(row.standing in ("withdrawn", "purged") for row in rows),
        not_here=len(uids) - len(rows),
        studies=study_shares(connection, live),
    )


def shares_of(connection: Connection, keys: Sequence[int]) -> dict[int, list[StudyShare]]:
    """Return, for withdrawals by their keys, the studies of the instances that they name."""
    found: dict[int, list[StudyShare]] = {key: [] for key in keys}
    query = (
        select(
            withdrawal_target.c.withdrawal,
            *_OF_STUDY,
            func.count().label("instances"),
            func.count(instance.c.series.distinct()).label("series"),
        )
        .join(instance, instance.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid)
        .join(study, study.c.id == instance.c.study)
        .where(withdrawal_target.c.withdrawal.in_(keys), instance.c.is_current)
        .group_by(withdrawal_target.c.withdrawal, *_OF_STUDY)
        .order_by(withdrawal_target.c.withdrawal, study.c.study_instance_uid)
    )
    for row in connection.execute(query):
        found[row.withdrawal].append(_share(row, row.series, row.instances))
    return found


_OF_STUDY = (
    study.c.study_instance_uid,
    study.c.patient_id,
    study.c.accession_number,
    study.c.study_date,
    study.c.attributes,
)

_of_studies = statements.LookUp(
    select(study.c.study_instance_uid.label("wanted"), live_instance.c.sop_instance_uid).join(
        live_instance, live_instance.c.study == study.c.id
    ),
    study.c.study_instance_uid,
)

_of_series = statements.LookUp(
    select(series.c.series_instance_uid.label("wanted"), live_instance.c.sop_instance_uid).join(
        live_instance, live_instance.c.series == series.c.id
    ),
    series.c.series_instance_uid,
)

_standings = statements.LookUp(
    select(
        instance.c.id, instance.c.sop_instance_uid, instance.c.standing, instance.c.study, instance.c.series
    ).where(instance.c.is_current),
    instance.c.sop_instance_uid,
)

_studies = statements.LookUp(select(study.c.id, *_OF_STUDY), study.c.id)

_copies = statements.LookUp(select(instance.c.id, instance.c.sop_instance_uid), instance.c.id)


def _see_copies(connection: Connection, copies: Mapping[str, int]) -> None:
    there = {(row.sop_instance_uid, row.id) for row in _copies(connection, list(copies.values()))}
    for uid, key in copies.items():
        if (uid, key) not in there:
            raise NothingMeantError("instances", f"There is no copy {key} of {uid}.")


def study_shares(connection: Connection, rows: Iterable[Any]) -> tuple[StudyShare, ...]:
    """Return the studies of instances, given by rows with the keys of `study` and `series`."""
    instances: dict[int, int] = {}
    in_series: dict[int, set[int]] = {}
    for row in rows:
        instances[row.study] = instances.get(row.study, 0) + 1
        in_series.setdefault(row.study, set()).add(row.series)
    shares = [
        _share(row, len(in_series[row.id]), instances[row.id])
        for row in _studies(connection, list(instances))
    ]
    return tuple(sorted(shares, key=lambda share: share.study_instance_uid))


def _share(row: Any, in_series: int, instances: int) -> StudyShare:
    name = json.loads(row.attributes).get("00100010", {}).get("Value") or [""]
    return StudyShare(
        row.study_instance_uid,
        row.patient_id,
        joined_groups(name[0]) if isinstance(name[0], dict) else str(name[0]),
        row.accession_number,
        row.study_date,
        in_series,
        instances,
    )
