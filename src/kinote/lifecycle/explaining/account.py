"""The account of a study: all its instances by standing, residence and registration, with every UID."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import (
    finding,
    instance,
    key_object,
    study,
    withdrawal,
    withdrawal_target,
)
from kinote.security.actors import Actor


@dataclass(frozen=True, slots=True)
class Tally:
    """The number and the UIDs of the instances that share a property."""

    count: int
    sop_instance_uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudyRejection:
    """A rejection note of another system that names instances of the study: who sent it, and what it does."""

    rejection_note_uid: str
    title: str
    effect: str
    by: Actor | None
    made_at: str
    undone_at: str | None
    sop_instance_uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotMade:
    """A key object of a migrated note whose bytes could not be made when they were needed, with the reason."""

    sop_instance_uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class Account:
    """Every instance of a study that Kinote holds or held, grouped in three ways, and what was rejected of it.

    `stored_instance_count` is the counter that queries return. It must equal the number of live instances.
    """

    study_instance_uid: str
    stored_instance_count: int
    by_standing: dict[str, Tally]
    by_residence: dict[str, Tally]
    by_registration: dict[str, Tally]
    rejections: tuple[StudyRejection, ...] = ()
    not_made: tuple[NotMade, ...] = ()

    @property
    def counts_agree(self) -> bool:
        live = self.by_standing.get("live")
        return self.stored_instance_count == (live.count if live else 0)


def account(connection: Connection, study_instance_uid: str) -> Account | None:
    """Return the account of a study; None if Kinote has never had it."""
    row = connection.execute(
        select(study.c.id, study.c.instance_count).where(study.c.study_instance_uid == study_instance_uid)
    ).one_or_none()
    if row is None:
        return None
    standing: dict[str, list[str]] = {}
    residence: dict[str, list[str]] = {}
    registration: dict[str, list[str]] = {}
    query = (
        select(
            instance.c.sop_instance_uid,
            instance.c.standing,
            instance.c.residence,
            key_object.c.registration,
        )
        .outerjoin(key_object, key_object.c.instance == instance.c.id)
        .where(instance.c.study == row.id)
        .order_by(instance.c.id)
    )
    for uid, its_standing, its_residence, its_registration in connection.execute(query):
        standing.setdefault(its_standing, []).append(uid)
        residence.setdefault(its_residence, []).append(uid)
        if its_registration is not None:
            registration.setdefault(its_registration, []).append(uid)
    return Account(
        study_instance_uid=study_instance_uid,
        stored_instance_count=row.instance_count,
        by_standing=_tallies(standing),
        by_residence=_tallies(residence),
        by_registration=_tallies(registration),
        rejections=_rejections(connection, row.id),
        not_made=_not_made(connection, row.id),
    )


def _not_made(connection: Connection, study_key: int) -> tuple[NotMade, ...]:
    query = (
        select(instance.c.sop_instance_uid, finding.c.text)
        .join(finding, finding.c.instance == instance.c.id)
        .where(instance.c.study == study_key, finding.c.code == "NOT_MADE")
        .order_by(instance.c.id)
    )
    return tuple(NotMade(*row) for row in connection.execute(query))


def _rejections(connection: Connection, study_key: int) -> tuple[StudyRejection, ...]:
    """Return the received rejections that name instances of the study and have an effect on them, or may get one."""
    query = (
        select(withdrawal, withdrawal_target.c.sop_instance_uid)
        .join(withdrawal_target, withdrawal_target.c.withdrawal == withdrawal.c.id)
        .join(instance, instance.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid)
        .where(
            instance.c.study == study_key,
            instance.c.is_current,
            withdrawal.c.received,
            withdrawal_target.c.spared == "",
        )
        .order_by(withdrawal.c.id, withdrawal_target.c.sop_instance_uid)
    )
    named: dict[int, tuple[Any, list[str]]] = {}
    for row in connection.execute(query):
        named.setdefault(row.id, (row, []))[1].append(row.sop_instance_uid)
    return tuple(
        StudyRejection(
            rejection_note_uid=row.rejection_note_uid,
            title=row.reason_meaning,
            effect=row.effect,
            by=Actor.stored(row.who_kind, row.who, row.who_address),
            made_at=row.made_at,
            undone_at=row.undone_at,
            sop_instance_uids=tuple(uids),
        )
        for row, uids in named.values()
    )


def _tallies(groups: dict[str, list[str]]) -> dict[str, Tally]:
    return {name: Tally(len(uids), tuple(uids)) for name, uids in groups.items()}
