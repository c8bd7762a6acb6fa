"""The SQL of routes: whether the conditions hold, and which objects to send. Used for acting and for the dry run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, literal_column, not_, or_, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    delivery,
    delivery_object,
    key_object,
    note,
    note_study,
    note_version,
    outgoing_delivery,
    routed_object,
    series,
    study,
)
from kinote.delivery.orders.manifest import (
    IMAGES,
    KEY_OBJECTS,
    PRESENTATION_STATES,
    is_rejection_note,
    sources,
)
from kinote.delivery.orders.ordering import Selected
from kinote.delivery.routing.route import ABOUT_NOTES, Conditions, Trigger, WantedRoute
from kinote.lifecycle.copies.patient_conflicts import hindrances_to_delivery
from kinote.peers.destination import Content
from kinote.security.actors import ActorKind

#: The number of objects read at once, and ordered in one delivery.
CHUNK = 5000

#: Titles of documents that are not notes.
_NO_NOTES = ("manifest", "rejection")


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a route may act on: the trigger, the study, and the note."""

    trigger: Trigger
    study_instance_uid: str
    note: int | None = None


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where objects go: a destination, its peer and AE titles, and whether it understands rejection notes."""

    destination: int
    peer: int
    titles: tuple[str, ...]
    rejection_notes: bool


@dataclass(frozen=True, slots=True)
class Found:
    """An object of an occasion. `is_there` tells whether the receiver has it, or it is on its way there."""

    id: int
    sop_instance_uid: str
    study_instance_uid: str
    is_there: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """The objects of an occasion, and why others are left out, as sentences."""

    objects: list[Found]
    left_out: tuple[str, ...]


def holds(connection: Connection, wanted: WantedRoute, occasion: Occasion, today: date) -> bool:
    """Return whether the conditions of a route hold for an occasion."""
    conditions = wanted.conditions
    query = select(study.c.id).where(study.c.study_instance_uid == occasion.study_instance_uid)
    for condition in _of_study(conditions, today):
        query = query.where(condition)
    if occasion.trigger in ABOUT_NOTES:
        version = and_(note_version.c.note == occasion.note, note_version.c.is_current)
        query = query.where(_has_note(version, conditions))
    else:
        in_study = note_version.c.id.in_(
            select(note_study.c.version).where(
                note_study.c.study_instance_uid == occasion.study_instance_uid, note_study.c.flags_there
            )
        )
        if conditions.titles or conditions.note_origins or conditions.has_notes:
            query = query.where(_has_note(and_(in_study, note_version.c.is_current), conditions))
        elif conditions.has_notes is False:
            query = query.where(not_(_has_note(and_(in_study, note_version.c.is_current), Conditions())))
        if conditions.sources:
            query = query.where(
                exists().where(live_instance.c.study == study.c.id, _sent_by(conditions.sources))
            )
    return connection.execute(query.limit(1)).first() is not None


def chosen(connection: Connection, wanted: WantedRoute, occasion: Occasion, receiver: Receiver) -> Chosen:
    """Return the objects of an occasion, except those of studies whose patient is in doubt."""
    found = list(_objects(connection, wanted, occasion, receiver))
    hindered = hindrances_to_delivery(connection, {each.study_instance_uid for each in found})
    return Chosen(
        [each for each in found if each.study_instance_uid not in hindered], tuple(sorted(hindered.values()))
    )


def _objects(
    connection: Connection, wanted: WantedRoute, occasion: Occasion, receiver: Receiver
) -> Iterator[Found]:
    """Yield the objects of an occasion that may go to a receiver: not those that came from it."""
    seen: set[int] = set()
    for source in sources(_selected(connection, wanted, occasion), wanted.content):
        after = 0
        while True:
            rows = connection.execute(_page(source.condition, receiver, after)).all()
            for row in rows:
                if row.id not in seen and (receiver.rejection_notes or not is_rejection_note(row)):
                    seen.add(row.id)
                    yield Found(row.id, row.sop_instance_uid, row.study_instance_uid, bool(row.is_there))
            if len(rows) < CHUNK:
                break
            after = rows[-1].id


def _selected(connection: Connection, wanted: WantedRoute, occasion: Occasion) -> Selected:
    if occasion.note is None:
        return Selected(studies=(occasion.study_instance_uid,))
    if wanted.content is not Content.ALL:
        return Selected(notes=(occasion.note,))
    studies = connection.execute(
        select(note_study.c.study_instance_uid)
        .join(note_version, note_version.c.id == note_study.c.version)
        .where(note_version.c.note == occasion.note, note_version.c.is_current)
        .order_by(note_study.c.study_instance_uid)
    ).scalars()
    return Selected(studies=tuple(studies))


def _page(condition: ColumnElement[bool], receiver: Receiver, after: int) -> Any:
    is_given = exists().where(
        delivery.c.sop_instance_uid == live_instance.c.sop_instance_uid,
        delivery.c.peer == receiver.peer,
        delivery.c.given_at.is_not(None),
    )
    # An object that was not live when its turn came was not sent.
    was_skipped = exists().where(
        delivery_object.c.delivery == routed_object.c.delivery,
        delivery_object.c.rank.in_((IMAGES, PRESENTATION_STATES, KEY_OBJECTS)),
        delivery_object.c.instance == live_instance.c.id,
        delivery_object.c.state == "skipped",
    )
    # Once a delivery has ended, the ledger says what the receiver has.
    is_on_its_way = exists().where(
        routed_object.c.destination == receiver.destination,
        routed_object.c.instance == live_instance.c.id,
        outgoing_delivery.c.id == routed_object.c.delivery,
        outgoing_delivery.c.ended_at == literal_column("''"),
        not_(was_skipped),
    )
    # An expression, so that no database reads all instances in the order of their keys to find the few of a note.
    key = live_instance.c.id + 0
    return (
        select(
            live_instance.c.id,
            live_instance.c.sop_instance_uid,
            live_instance.c.sop_class_uid,
            study.c.study_instance_uid,
            live_instance.c.concept_scheme,
            live_instance.c.concept_value,
            or_(is_given, is_on_its_way).label("is_there"),
        )
        .join(series, series.c.id == live_instance.c.series)
        .join(study, study.c.id == live_instance.c.study)
        .where(condition, not_(_sent_by(receiver.titles)), key > after)
        .order_by(key)
        .limit(CHUNK)
    )


def _of_study(conditions: Conditions, today: date) -> Iterator[ColumnElement[bool]]:
    if conditions.modalities:
        yield exists().where(
            series.c.study == study.c.id,
            series.c.modality.in_(conditions.modalities),
            series.c.instance_count > 0,
        )
    if conditions.sop_classes:
        yield exists().where(
            live_instance.c.study == study.c.id, live_instance.c.sop_class_uid.in_(conditions.sop_classes)
        )
    if conditions.patients:
        yield study.c.patient_id.in_(conditions.patients)
    if conditions.studies:
        yield study.c.study_instance_uid.in_(conditions.studies)
    if conditions.oldest_days is not None:
        yield study.c.study_date >= _date(today, conditions.oldest_days)
    if conditions.youngest_days is not None:
        yield and_(study.c.study_date != "", study.c.study_date <= _date(today, conditions.youngest_days))


def _date(today: date, days: int) -> str:
    """Return the date this many days ago, as DA; before the year 1, none."""
    return f"{max(today - timedelta(days=days), date.min):%Y%m%d}" if days < today.toordinal() else "00010101"


def _has_note(which: ColumnElement[bool], conditions: Conditions) -> ColumnElement[bool]:
    """Return the condition that such a note version exists with a live document, and fulfils the conditions about
    notes.
    """
    query = (
        select(note_version.c.id)
        .join(note, note.c.id == note_version.c.note)
        .where(which, *(note_version.c.title_group != group for group in _NO_NOTES))
    )
    if conditions.titles:
        query = query.where(
            or_(
                *(
                    and_(
                        # Not by the index of titles: a million notes may have this title, while a study has few notes.
                        func.coalesce(note_version.c.title_value, "") == each.value,
                        note_version.c.title_scheme == each.scheme,
                    )
                    for each in conditions.titles
                )
            )
        )
    if conditions.note_origins:
        query = query.where(note.c.origin.in_(conditions.note_origins))
    document = (
        select(key_object.c.instance)
        .join(live_instance, live_instance.c.id == key_object.c.instance)
        .where(key_object.c.version == note_version.c.id)
    )
    if conditions.sources:
        document = document.where(_sent_by(conditions.sources))
    return query.where(document.correlate(note_version).exists()).correlate(study).exists()


def _sent_by(titles: Sequence[str]) -> ColumnElement[bool]:
    return and_(
        live_instance.c.brought_by_kind == str(ActorKind.PEER), live_instance.c.brought_by_name.in_(titles)
    )
