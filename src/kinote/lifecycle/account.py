"""The account of a study: all its instances by standing, residence and registration, with every UID."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, key_object, study


@dataclass(frozen=True, slots=True)
class Tally:
    """The number and the UIDs of the instances that share a property."""

    count: int
    sop_instance_uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """Every instance of a study that Kinote holds or held, grouped in three ways.

    `stored_instance_count` is the counter that queries return. It must equal the number of live instances.
    """

    study_instance_uid: str
    stored_instance_count: int
    by_standing: dict[str, Tally]
    by_residence: dict[str, Tally]
    by_registration: dict[str, Tally]

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
    )


def _tallies(groups: dict[str, list[str]]) -> dict[str, Tally]:
    return {name: Tally(len(uids), tuple(uids)) for name, uids in groups.items()}
