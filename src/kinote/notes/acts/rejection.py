"""Taking key objects out of use, with a rejection note in each study that tells everybody else.

Withdrawal, reason, standing and rejection note are one transaction (law 4). The rejection note is a KOS that names the
withdrawn KOS (IHE IOCM). Its title and reason are those of the act.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import key_object
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import title_group
from kinote.lifecycle.acts import Act
from kinote.lifecycle.withdrawal import withdraw
from kinote.notes.acts.checks import printable
from kinote.notes.acts.make import created_text, write_notes
from kinote.notes.author import Author
from kinote.notes.content import ContentReference, NoteContent
from kinote.notes.known_instances import KnownInstance, known_instances
from kinote.security.actors import Actor, ActorKind


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
    act: Act,
    text: str,
    by: Actor,
    now: datetime,
) -> None:
    """Withdraw key objects: in each study one withdrawal, and the rejection note behind it if the act has one.

    `text` is why, in a person's words.
    """
    by_study: dict[str, list[Carrier]] = {}
    for carrier in withdrawn:
        by_study.setdefault(carrier.place.study_instance_uid, []).append(carrier)
    groups = list(by_study.values())
    told_by = _rejection_notes(transaction, groups, act, text, by, now)
    for group, rejection_note_uid in zip(groups, told_by, strict=True):
        withdraw(
            transaction,
            [carrier.sop_instance_uid for carrier in group],
            act=act,
            text=text,
            by=by,
            now=now,
            rejection_note_uid=rejection_note_uid,
        )


def _rejection_notes(
    transaction: Connection,
    groups: Sequence[Sequence[Carrier]],
    act: Act,
    text: str,
    by: Actor,
    now: datetime,
) -> list[str]:
    """Make a rejection note for each group; gives their UIDs, empty where the act has none."""
    title = act.rejection_title
    if title is None:
        return [""] * len(groups)
    contents = [_rejection_note(group, title, act, text, by, now) for group in groups]
    known = {carrier.sop_instance_uid: carrier.place for group in groups for carrier in group}
    _, made = write_notes(transaction, contents, known, None, by=by, now=now)
    return [key_object.sop_instance_uid for key_object in made]


def _rejection_note(
    group: Sequence[Carrier], title: Code, act: Act, text: str, by: Actor, now: datetime
) -> NoteContent:
    why = act.reason.meaning + (f": {printable(text)}" if text else "")
    name = printable(by.name).replace("\\", " ").strip()
    return NoteContent(
        title=title,
        title_group=str(title_group(title)),
        modifiers=(),
        description=f"{act.sentence} {why}",
        language="",
        author=Author("person" if by.kind is ActorKind.PERSON else "device", name, name),
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
