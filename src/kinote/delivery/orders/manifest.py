"""The manifest of a delivery: what is live when it begins, written in slices. It never grows after that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, literal_column, select, union_all

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    delivery_object,
    key_object,
    note_reference,
    note_study,
    note_version,
    outgoing_delivery,
    series,
    study,
)
from kinote.catalog.sql.statements import insert_new
from kinote.delivery.orders.ordering import Selected
from kinote.dicom.dictionary import sop_classes
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.keyobject.titles import TITLES, TitleGroup, title_group
from kinote.peers.destination import Content

#: The number of objects listed in one transaction.
SLICE = 1000

#: The number of instances that one source names.
_CHUNK = 500

#: Titles of documents that flag nothing.
_NO_MARKS = (str(TitleGroup.MANIFEST), str(TitleGroup.REJECTION))

#: The order in which objects are sent: images, presentation states, key objects.
IMAGES, PRESENTATION_STATES, KEY_OBJECTS = range(3)


@dataclass(frozen=True, slots=True)
class Source:
    """A part of a manifest: the live instances for which a condition holds."""

    condition: ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Slice:
    """Some rows of a manifest. `after` is the key of the last instance; None if the source has no more."""

    rows: list[dict[str, Any]]
    after: int | None
    #: UIDs of key objects whose bytes have yet to be made.
    derivable: list[str]


def horizon(connection: Connection) -> int:
    """Return the greatest key of a live instance. Later ones are not in a manifest that begins now."""
    return connection.execute(select(func.max(live_instance.c.id))).scalar_one() or 0


def sources(selected: Selected, content: Content) -> list[Source]:
    """Return the parts of a manifest, in a fixed order."""
    return list(_sources(selected, content))


def _sources(selected: Selected, content: Content) -> Iterator[Source]:
    for uid in selected.studies:
        in_study = study.c.study_instance_uid == uid
        yield from _of_content(in_study, _versions_flagging(in_study), content)
    for uid in selected.series:
        in_series = series.c.series_instance_uid == uid
        of_study = study.c.study_instance_uid.in_(
            select(study.c.study_instance_uid)
            .join(series, series.c.study == study.c.id)
            .where(series.c.series_instance_uid == uid)
        )
        yield from _of_content(in_series, _versions_flagging(of_study), content)
    for key in selected.notes:
        version = (
            select(note_version.c.id)
            .where(note_version.c.note == key, note_version.c.is_current)
            .scalar_subquery()
        )
        if content is not Content.NOTES:
            yield Source(_referred_to(note_reference.c.version == version))
        yield Source(
            live_instance.c.id.in_(select(key_object.c.instance).where(key_object.c.version == version))
        )
    for start in range(0, len(selected.instances), _CHUNK):
        yield Source(live_instance.c.sop_instance_uid.in_(selected.instances[start : start + _CHUNK]))


def _of_content(within: ColumnElement[bool], versions: Any, content: Content) -> Iterator[Source]:
    """Yield the sources for the content to send of a study or series."""
    match content:
        case Content.ALL:
            yield Source(within)
        case Content.NOTES:
            yield Source(and_(within, live_instance.c.sop_class_uid == KEY_OBJECT_SELECTION))
        case Content.KEY_IMAGES:
            yield Source(and_(within, _referred_to(note_reference.c.version.in_(versions))))
            documents = select(key_object.c.instance).where(key_object.c.version.in_(versions))
            yield Source(and_(within, live_instance.c.id.in_(documents)))


def _versions_flagging(in_study: ColumnElement[bool]) -> Any:
    """Return the versions in use that flag something in a study and have a live document."""
    return (
        select(note_study.c.version)
        .join(study, study.c.study_instance_uid == note_study.c.study_instance_uid)
        .join(note_version, note_version.c.id == note_study.c.version)
        .where(
            in_study,
            note_study.c.flags_there,
            note_version.c.is_current,
            *(note_version.c.title_group != group for group in _NO_MARKS),
            note_version.c.id.in_(
                select(key_object.c.version)
                .join(live_instance, live_instance.c.id == key_object.c.instance)
                .where(key_object.c.version == note_version.c.id)
                .correlate(note_version)
            ),
        )
    )


def _referred_to(by: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that an instance is flagged, or is a presentation state to be applied.

    It is one list of UIDs. For two lists joined by OR, SQLite would read all instances.
    """
    return live_instance.c.sop_instance_uid.in_(
        union_all(
            select(note_reference.c.sop_instance_uid).where(by),
            select(note_reference.c.presentation_state_uid).where(
                by, note_reference.c.presentation_state_uid != literal_column("''")
            ),
        )
    )


def read_slice(
    connection: Connection,
    delivery: int,
    source: Source,
    *,
    after: int,
    up_to: int,
    rejection_notes: bool,
    limit: int = SLICE,
) -> Slice:
    """Return the next rows of a manifest: instances with keys from `after` to `up_to`.

    Without `rejection_notes`, these are left out: receivers that do not understand them show them as key images.
    """
    # An expression, so that no database reads all instances in the order of their keys to find the few of a note.
    in_order = live_instance.c.id + 0
    found = connection.execute(
        select(
            live_instance.c.id,
            live_instance.c.sop_instance_uid,
            live_instance.c.sop_class_uid,
            live_instance.c.residence,
            live_instance.c.concept_scheme,
            live_instance.c.concept_value,
        )
        .join(series, series.c.id == live_instance.c.series)
        .join(study, study.c.id == live_instance.c.study)
        .where(source.condition, in_order > after, in_order <= up_to)
        .order_by(in_order)
        .limit(limit)
    ).all()
    rows = [
        {
            "delivery": delivery,
            "rank": rank_of(row.sop_class_uid),
            "instance": row.id,
            "sop_instance_uid": row.sop_instance_uid,
            "state": "waiting",
        }
        for row in found
        if rejection_notes or not is_rejection_note(row)
    ]
    derivable = [row.sop_instance_uid for row in found if row.residence == "derivable"]
    return Slice(rows, found[-1].id if len(found) == limit else None, derivable)


def write_slice(transaction: Connection, found: Slice) -> None:
    """Add rows to a manifest. Existing ones are unchanged."""
    insert_new(transaction, delivery_object, found.rows, unique=("delivery", "rank", "instance"))


def count(connection: Connection, delivery: int) -> int:
    """Return how many objects a manifest has."""
    query = select(func.count()).select_from(delivery_object).where(delivery_object.c.delivery == delivery)
    return connection.execute(query).scalar_one()


def rank_of(sop_class_uid: str) -> int:
    """Return the rank of a class in the order of sending: images first, then presentation states, then key objects."""
    if sop_class_uid == KEY_OBJECT_SELECTION:
        return KEY_OBJECTS
    return PRESENTATION_STATES if sop_classes.is_presentation_state(sop_class_uid) else IMAGES


def is_rejection_note(row: Any) -> bool:
    return (
        row.sop_class_uid == KEY_OBJECT_SELECTION and (row.concept_scheme, row.concept_value) in _REJECTIONS
    )


_REJECTIONS = frozenset(
    (title.scheme, title.value) for title in TITLES if title_group(title) is TitleGroup.REJECTION
)


def waiting(
    connection: Connection, delivery: int, states: Sequence[str], after: tuple[int, int], limit: int
) -> Sequence[Any]:
    """Return the next objects in these states, all of the same rank, in the order of sending."""
    for rank in range(after[0], KEY_OBJECTS + 1):
        last = after[1] if rank == after[0] else 0
        found: list[Any] = []
        for state in states:
            found += connection.execute(
                select(
                    delivery_object.c.rank,
                    delivery_object.c.instance,
                    delivery_object.c.sop_instance_uid,
                    delivery_object.c.state,
                )
                .where(
                    delivery_object.c.delivery == delivery,
                    delivery_object.c.state == state,
                    delivery_object.c.rank == rank,
                    delivery_object.c.instance > last,
                )
                .order_by(delivery_object.c.instance)
                .limit(limit)
            ).all()
        if found:
            return sorted(found, key=lambda row: row.instance)[:limit]
    return []


def not_taken(connection: Connection, delivery: int) -> NotTaken | None:
    """Return the objects that may be accepted later, with the answer for one of them; None if there are none."""
    failed = select(outgoing_delivery.c.failed).where(outgoing_delivery.c.id == delivery)
    for state in ("failed", "unknown"):
        query = select(delivery_object.c.answer).where(
            delivery_object.c.delivery == delivery, delivery_object.c.state == state
        )
        found = connection.execute(query.limit(1)).first()
        if found is not None:
            number = connection.execute(failed).scalar_one()
            return NotTaken(number, found.answer, is_unanswered=state == "unknown")
    return None


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The number of objects not accepted, the answer for one of them, and whether there was no answer at all."""

    number: int
    answer: str
    is_unanswered: bool
