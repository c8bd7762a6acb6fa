"""Held copies that a decision would be about, each with the instance that its UID means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, literal_column, or_, select

from kinote.catalog.schema.tables import delivery, instance, series, study
from kinote.catalog.sql import statements
from kinote.lifecycle.copies.choices import WAYS, Asked, Choice, First, Way
from kinote.lifecycle.held import HeldSelection

#: Held copies that are decided in one transaction at most.
MOST = 100_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A held copy, and the `first` one, which has its UID. `receivers` were given the first, or may have it."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    study: int
    series: int
    study_instance_uid: str
    held_reason: str
    digest: str
    size: int
    store: int
    file_key: str | None
    concept: tuple[str, str]
    first: int
    first_standing: str
    receivers: frozenset[tuple[int, str]]

    @property
    def first_is(self) -> First:
        """How the first copy stands."""
        if self.first_standing != "live":
            return First.OUT_OF_USE
        return First.DELIVERED if self.receivers else First.LIVE

    def way(self, choice: Choice) -> Way:
        """Return the outcome of a choice for the copy."""
        return WAYS[Asked(choice, self.first_is)]


def candidates(connection: Connection, selected: HeldSelection) -> list[Candidate]:
    """Return the held copies of a selection in the order of their keys, `MOST` and one more at most."""
    return _with_firsts(connection, connection.execute(_selected(selected)).all())


def still_held(transaction: Connection, keys: Iterable[int]) -> list[Candidate]:
    """Return those of the copies that are held, in the order of their keys. Their rows are locked."""
    return _with_firsts(transaction, _held_by_key(transaction, keys))


def several_of_one(found: Sequence[Candidate]) -> list[str]:
    """Return the UIDs of which several copies are among these."""
    return sorted(
        uid for uid, number in Counter(each.sop_instance_uid for each in found).items() if number > 1
    )


def _with_firsts(connection: Connection, rows: Sequence[Any]) -> list[Candidate]:
    uids = {row.sop_instance_uid for row in rows}
    firsts = {row.sop_instance_uid: row for row in _firsts(connection, uids)}
    receivers: dict[str, set[tuple[int, str]]] = {}
    for row in _receivers(connection, uids):
        receivers.setdefault(row.sop_instance_uid, set()).add((row.peer, row.address))
    return [
        Candidate(
            **{name: getattr(row, name) for name in _OF_ROW},
            concept=(row.concept_scheme, row.concept_value),
            first=firsts[row.sop_instance_uid].id,
            first_standing=firsts[row.sop_instance_uid].standing,
            receivers=frozenset(receivers.get(row.sop_instance_uid, ())),
        )
        for row in sorted(rows, key=lambda row: row.id)
    ]


_OF_ROW = (
    "id",
    "sop_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "study",
    "series",
    "study_instance_uid",
    "held_reason",
    "digest",
    "size",
    "store",
    "file_key",
)

_query = (
    select(
        *(instance.c[name] for name in _OF_ROW if name != "study_instance_uid"),
        instance.c.concept_scheme,
        instance.c.concept_value,
        study.c.study_instance_uid,
    )
    .join(study, study.c.id == instance.c.study)
    # The second condition is redundant: see `kinote.lifecycle.held`.
    .where(instance.c.standing == literal_column("'held'"), instance.c.standing != literal_column("'live'"))
)

_held_by_key = statements.LookUp(_query.order_by(instance.c.id).with_for_update(of=instance), instance.c.id)


def _selected(selected: HeldSelection) -> Select[Any]:
    query = _query.join(series, series.c.id == instance.c.series).order_by(instance.c.id).limit(MOST + 1)
    conditions = [
        column.in_(values)
        for column, values in (
            (study.c.study_instance_uid, selected.studies),
            (series.c.series_instance_uid, selected.series),
            (instance.c.sop_instance_uid, selected.instances),
            (instance.c.id, selected.held),
        )
        if values
    ]
    return query.where(or_(*conditions)) if conditions else query


_firsts = statements.LookUp(
    select(instance.c.id, instance.c.sop_instance_uid, instance.c.standing).where(instance.c.is_current),
    instance.c.sop_instance_uid,
)

#: Whoever has an object or may have it; a failed delivery has no moment.
_receivers = statements.LookUp(
    select(delivery.c.sop_instance_uid, delivery.c.peer, delivery.c.address).where(
        delivery.c.given_at.is_not(None)
    ),
    delivery.c.sop_instance_uid,
)
