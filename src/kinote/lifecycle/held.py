"""Held copies: instances that arrived under a UID with other content, until somebody decides about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, literal_column, or_, select

from kinote.catalog import changes, journal
from kinote.catalog.schema.tables import (
    delivery,
    finding,
    instance,
    instance_bytes,
    instance_metadata,
    instance_pieces,
    patient_conflict,
    series,
    study,
)
from kinote.catalog.sql import statements
from kinote.security.actors import Actor
from kinote.security.origins import shown_origin


class HeldNotFoundError(LookupError):
    """There is no held copy with this number. It may have been decided already."""


@dataclass(frozen=True, slots=True)
class HeldCopy:
    """A held copy as the administrator sees it, and the place of its bytes."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    patient_id: str
    transfer_syntax_uid: str
    reason: str
    received_at: str
    received_from: str
    digest: str
    size: int
    store: int
    file_key: str | None
    dataset_offset: int


@dataclass(frozen=True, slots=True)
class HeldSelection:
    """Which held copies are meant: those of these studies, of these series, under these UIDs, or with these numbers.

    One that any of these names is meant. Without any, all are.
    """

    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    held: tuple[int, ...] = ()


def held(
    connection: Connection, selected: HeldSelection | None = None, *, after: int = 0, limit: int = 100
) -> list[HeldCopy]:
    """Return held copies, oldest first, beginning after the number `after`."""
    query = _held().where(instance.c.id > after).order_by(instance.c.id).limit(limit)
    conditions = [
        column.in_(values)
        for column, values in (
            (study.c.study_instance_uid, selected.studies if selected else ()),
            (series.c.series_instance_uid, selected.series if selected else ()),
            (instance.c.sop_instance_uid, selected.instances if selected else ()),
            (instance.c.id, selected.held if selected else ()),
        )
        if values
    ]
    if conditions:
        query = query.where(or_(*conditions))
    return [_copy(row) for row in connection.execute(query).mappings()]


def held_copy(connection: Connection, key: int) -> HeldCopy:
    row = connection.execute(_held().where(instance.c.id == key)).mappings().one_or_none()
    if row is None:
        raise HeldNotFoundError(f"There is no held copy {key}.")
    return _copy(row)


@dataclass(frozen=True, slots=True)
class FirstCopy:
    """The instance that the UID of a held copy means, for the administrator; `given_to` counts who was given it."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    patient_id: str
    transfer_syntax_uid: str
    standing: str
    received_at: str
    received_from: str
    digest: str
    size: int
    given_to: int


def first_copy(connection: Connection, sop_instance_uid: str) -> FirstCopy:
    """Return the instance that a UID means. Raises `HeldNotFoundError` if it means none."""
    row = (
        connection.execute(
            _copies(instance.c.standing).where(
                instance.c.sop_instance_uid == sop_instance_uid, instance.c.is_current
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise HeldNotFoundError(f"There is no instance {sop_instance_uid} beside which a copy could be held.")
    given_to = connection.execute(
        select(func.count())
        .select_from(delivery)
        .where(delivery.c.sop_instance_uid == sop_instance_uid, delivery.c.given_at.is_not(None))
    ).scalar_one()
    said = {name: row[name] for name in FirstCopy.__dataclass_fields__ if name not in _NOT_OF_ROW}
    return FirstCopy(
        **said,
        received_from=shown_origin(row["received_from"], row["brought_by_name"], row["brought_by_address"]),
        given_to=given_to,
    )


_NOT_OF_ROW = ("received_from", "given_to")


def discard(transaction: Connection, key: int, *, now: datetime, by: Actor) -> HeldCopy:
    """Remove a held copy from the index, and return it, so that its file can be removed afterwards.

    The live copy keeps the UID, so no tombstone is needed.
    """
    copy = held_copy(transaction, key)
    remove(transaction, {key: (copy.study_instance_uid, copy.sop_instance_uid)}, now=now, by=by)
    return copy


def remove(
    transaction: Connection, copies: Mapping[int, tuple[str, str]], *, now: datetime, by: Actor
) -> None:
    """Remove the rows of held copies, given by key with the UIDs of study and instance.

    Raises `HeldNotFoundError`, before anything is removed, if one of them is not held any more: whoever has decided
    about it meanwhile has brought it into use (law 7).
    """
    keys = list(copies)
    gone = set(keys) - {row.id for row in _locked_if_held(transaction, keys)}
    if gone:
        raise HeldNotFoundError(f"The copy {min(gone)} is not held any more. Look at the held copies again.")
    for change_among in (*_OF_INSTANCE, _rows_of_instances):
        change_among(transaction, keys)
    uids = [uid for _, uid in copies.values()]
    journal.record(transaction, journal.RareAct(journal.Kind.HELD_DISCARDED, now, by, uids))
    changes.record(
        transaction,
        [changes.Change(changes.Kind.HELD_COPY_DISCARDED, *each) for each in copies.values()],
        now=now,
    )


_OF_INSTANCE = tuple(
    statements.ChangeAmong(table.delete(), table.c.instance)
    for table in (instance_metadata, instance_bytes, instance_pieces, finding, patient_conflict)
)

_IS_HELD = instance.c.standing == literal_column("'held'")

_rows_of_instances = statements.ChangeAmong(instance.delete().where(_IS_HELD), instance.c.id)

_locked_if_held = statements.LookUp(
    select(instance.c.id).where(_IS_HELD).order_by(instance.c.id).with_for_update(), instance.c.id
)


def _copy(row: RowMapping) -> HeldCopy:
    said = dict(row)
    name, address = said.pop("brought_by_name"), said.pop("brought_by_address")
    return HeldCopy(**{**said, "received_from": shown_origin(row["received_from"], name, address)})


def _held() -> Select[tuple[object, ...]]:
    return (
        _copies(
            instance.c.held_reason.label("reason"),
            instance.c.store,
            instance.c.file_key,
            instance.c.dataset_offset,
        )
        # The second condition is redundant. It repeats the WHERE clause of the index of instances that are not live
        # literally, so that SQLite uses this index.
        .where(instance.c.standing == "held", instance.c.standing != literal_column("'live'"))
    )


def _copies(*more: ColumnElement[Any]) -> Select[tuple[object, ...]]:
    return (
        select(
            instance.c.id,
            instance.c.sop_instance_uid,
            instance.c.sop_class_uid,
            series.c.series_instance_uid,
            study.c.study_instance_uid,
            study.c.patient_id,
            instance.c.transfer_syntax_uid,
            instance.c.received_at,
            instance.c.received_from,
            instance.c.brought_by_name,
            instance.c.brought_by_address,
            instance.c.digest,
            instance.c.size,
            *more,
        )
        .join(study, study.c.id == instance.c.study)
        .join(series, series.c.id == instance.c.series)
    )
