"""Taking key objects out of use, with a rejection note in each study that tells everybody else.

Withdrawal, reason, standing and rejection note are one transaction (law 4). The rejection note is a KOS
titled Rejected for Quality Reasons that names the withdrawn KOS (IHE IOCM): what was wrong is the note, not
the patient's safety or the worklist, which have titles of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import key_object
from kinote.keyobject.titles import REJECTED_FOR_QUALITY_REASONS, TitleGroup
from kinote.lifecycle.withdrawal import Reason, withdraw
from kinote.notes.acts.checks import printable
from kinote.notes.acts.make import created_text, write_notes
from kinote.notes.author import Author
from kinote.notes.content import ContentReference, NoteContent
from kinote.notes.known_instances import KnownInstance, known_instances


@dataclass(frozen=True, slots=True)
class Carrier:
    """A live KOS that carries a note version."""

    sop_instance_uid: str
    place: KnownInstance


def carriers(transaction: Connection, version: int) -> list[Carrier]:
    """The live KOS of a note version, in order of their keys."""
    uids = list(
        transaction.execute(
            select(live_instance.c.sop_instance_uid)
            .join(key_object, key_object.c.instance == live_instance.c.id)
            .where(key_object.c.version == version)
            .order_by(live_instance.c.id)
        ).scalars()
    )
    known = known_instances(transaction, uids)
    return [Carrier(uid, known[uid]) for uid in uids]


def reject(
    transaction: Connection,
    withdrawn: Sequence[Carrier],
    *,
    act: str,
    reason: Reason,
    who: str,
    now: datetime,
) -> None:
    """Withdraw key objects: in each study one withdrawal and the rejection note behind it."""
    by_study: dict[str, list[Carrier]] = {}
    for carrier in withdrawn:
        by_study.setdefault(carrier.place.study_instance_uid, []).append(carrier)
    contents = [_rejection_note(group, act, reason, who, now) for group in by_study.values()]
    known = {carrier.sop_instance_uid: carrier.place for carrier in withdrawn}
    _, made = write_notes(transaction, contents, known, None, now=now)
    for group, rejection_note in zip(by_study.values(), made, strict=True):
        withdraw(
            transaction,
            [carrier.sop_instance_uid for carrier in group],
            act=act,
            reason=reason,
            who=who,
            now=now,
            rejection_note_uid=rejection_note.sop_instance_uid,
        )


def _rejection_note(
    group: Sequence[Carrier], act: str, reason: Reason, who: str, now: datetime
) -> NoteContent:
    why = reason.code.meaning + (f": {printable(reason.text)}" if reason.text else "")
    name = printable(who).replace("\\", " ").strip()
    return NoteContent(
        title=REJECTED_FOR_QUALITY_REASONS,
        title_group=str(TitleGroup.REJECTION),
        modifiers=(),
        description=f"{act[0].upper()}{act[1:]}. {why}",
        language="",
        author=Author("person", name, name),
        created=created_text(now),
        references=tuple(
            ContentReference(
                study_instance_uid=carrier.place.study_instance_uid,
                series_instance_uid=carrier.place.series_instance_uid,
                sop_class_uid=carrier.place.sop_class_uid,
                sop_instance_uid=carrier.sop_instance_uid,
            )
            for carrier in group
        ),
    )
