"""Revises a note: a new version with its own KOS. The KOS of the old version are withdrawn, its rows stay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.instances.uid_locks import lock_many_uids
from kinote.catalog.schema.tables import note_version
from kinote.catalog.sql import statements
from kinote.lifecycle import acts
from kinote.lifecycle.withdrawals.withdrawal import NO_WINDOW
from kinote.notes.acts.checks import check_request
from kinote.notes.acts.current import CurrentVersion, locked_version
from kinote.notes.acts.make import created_text, named_instances, touched_studies
from kinote.notes.acts.presenting import make_states, states_only_of
from kinote.notes.acts.rejection import reject
from kinote.notes.acts.request import NoteRefusedError, NoteRequest, NotRevisableError, Problem
from kinote.notes.belonging import refresh
from kinote.notes.creator.create import make_key_objects
from kinote.notes.known_instances import KnownInstance, known_instances
from kinote.notes.versions import NewVersion, insert_versions, stored_references
from kinote.security.actors import Actor


def revise(
    transaction: Connection,
    note_id: int,
    request: NoteRequest,
    *,
    expected_version: int,
    by: Actor,
    now: datetime,
    undo_window: timedelta = NO_WINDOW,
) -> None:
    """Replace the content of an authored note. Its existing references stay, whatever happened to their images.

    Others are told about the old version once the `undo_window` has closed. The new one is live at once.

    Raises `NoteNotFoundError`, `VersionConflictError`, `NotRevisableError`, `NoteRefusedError`.
    """
    current = locked_version(transaction, note_id, expected_version)
    if current.origin != "authored":
        raise NotRevisableError(
            f"Note {note_id} was {current.origin} from elsewhere; copy it to change it, or withdraw it."
        )
    if not current.carriers:
        raise NotRevisableError(f"Note {note_id} has been withdrawn; make a new one.")
    # Locked before anything is written: a copy of one of them may arrive at this moment.
    lock_many_uids(transaction, [carrier.sop_instance_uid for carrier in current.carriers])
    request, known, wrong = make_states(
        transaction, request, known_instances(transaction, named_instances([request])), by=by, now=now
    )
    version = _new_version(transaction, current, request, known, now, wrong)
    happened = [
        changes.Change(changes.Kind.NOTE_REVISED, study_instance_uid=version.studies[0], note=note_id)
    ]
    made = make_key_objects(transaction, [version], known, happened, by=by, now=now)
    # A flagged image may have turned out to be another patient's.
    refresh(transaction, [version.version])
    successors = ", ".join(key_object.sop_instance_uid for key_object in made)
    kept = {reference.presentation_state_uid for reference in version.content.references}
    states = states_only_of(transaction, current.version, kept=kept)
    reject(
        transaction,
        [*(carrier.sop_instance_uid for carrier in current.carriers), *states],
        act=acts.REVISED,
        text=f"Version {version.number} of the note replaces it, key object {successors}.",
        by=by,
        now=now,
        undo_window=undo_window,
    )


def _new_version(
    transaction: Connection,
    current: CurrentVersion,
    request: NoteRequest,
    known: Mapping[str, KnownInstance],
    now: datetime,
    wrong: list[Problem],
) -> NewVersion:
    """Check the request against the current version, and write the next version.

    `wrong` is what has been found wrong with the request already.
    """
    content, problems = check_request(
        request,
        known,
        study_instance_uid=None,
        created=created_text(now),
        kept=stored_references(transaction, current.version),
        author=current.author,
    )
    if content is None or wrong:
        raise NoteRefusedError([*wrong, *problems])
    transaction.execute(
        note_version.update().where(note_version.c.id == current.version).values(is_current=False)
    )
    (key,) = statements.reserve_ids(transaction, note_version, 1)
    first = current.carriers[0].place.study_instance_uid
    version = NewVersion(current.note, key, current.number + 1, content, touched_studies(content, first))
    insert_versions(transaction, [version], now=now)
    return version
