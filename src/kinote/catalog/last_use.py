"""When a study was last used, to the hour: its flagged images and all others, by people and by other systems."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import Column, ColumnElement, Connection, exists, literal_column, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    instance,
    key_object,
    last_use,
    note_reference,
    note_study,
    note_version,
    study,
)
from kinote.catalog.sql.dialects import is_sqlite
from kinote.catalog.sql.statements import ForEach, LookUp
from kinote.keyobject.titles import TitleGroup

#: The instances of a study that a note flags, with the presentation states that go with them; or all others.
Part = Literal["flagged", "rest"]

#: Titles of documents that flag nothing.
_NO_MARKS = (str(TitleGroup.MANIFEST), str(TitleGroup.REJECTION))


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """A kind of actor used a part of a study in the hour that began then."""

    study: int
    part: Part
    used_by: str
    hour: str


def parts_of(connection: Connection, instances: Collection[int]) -> dict[int, tuple[int, Part]]:
    """Return the study and the part of each instance, by key. Instances that are gone are left out."""
    return {
        row.id: (row.study, "flagged" if row.is_flagged else "rest") for row in _PARTS(connection, instances)
    }


def write_uses(transaction: Connection, uses: Sequence[Use]) -> None:
    """Write each use that is newer than the stored one."""
    upsert = _UPSERTS["sqlite" if is_sqlite(transaction) else "postgresql"]
    # In a fixed order, so that two servers cannot deadlock.
    upsert(transaction, [asdict(use) for use in sorted(uses)])


def _upsert(make: type[sqlite.Insert] | type[postgresql.Insert]) -> ForEach:
    insert = make(last_use)
    return ForEach(
        insert.on_conflict_do_update(
            index_elements=["study", "part", "used_by"],
            set_={"hour": insert.excluded.hour},
            where=last_use.c.hour < insert.excluded.hour,
        )
    )


_UPSERTS = {"sqlite": _upsert(sqlite.Insert), "postgresql": _upsert(postgresql.Insert)}


def _named_by(column: Column[str], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a note in use names the instance in that column of a reference."""
    return exists(
        select(note_reference.c.position)
        .join(note_version, note_version.c.id == note_reference.c.version)
        .join(key_object, key_object.c.version == note_reference.c.version)
        .join(live_instance, live_instance.c.id == key_object.c.instance)
        .where(
            column == instance.c.sop_instance_uid,
            note_version.c.is_current,
            *(note_version.c.title_group != group for group in _NO_MARKS),
            *conditions,
        )
        .correlate(instance, study)
    )


#: A note has no effect on images of another patient in a study (`kinote.notes.belonging`).
_FLAGS_THERE = exists(
    select(note_study.c.version)
    .where(
        note_study.c.version == note_reference.c.version,
        note_study.c.study_instance_uid == study.c.study_instance_uid,
        note_study.c.flags_there,
    )
    .correlate(note_reference, study)
)

_PARTS = LookUp(
    select(
        instance.c.id,
        instance.c.study,
        or_(
            _named_by(note_reference.c.sop_instance_uid, _FLAGS_THERE),
            # The second condition repeats the WHERE clause of the index.
            _named_by(
                note_reference.c.presentation_state_uid,
                note_reference.c.presentation_state_uid != literal_column("''"),
            ),
        ).label("is_flagged"),
    ).join(study, study.c.id == instance.c.study),
    instance.c.id,
)
