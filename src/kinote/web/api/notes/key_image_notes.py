"""Key Image Notes: those of a study, single ones, history, search; make, revise, withdraw."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.lifecycle.withdrawals.lists import one_withdrawal
from kinote.notes.acts.make import make
from kinote.notes.acts.request import NoteNotFoundError, NoteRequest
from kinote.notes.acts.revise import revise
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.author import Author
from kinote.notes.lists import queries
from kinote.notes.lists.note import Note, as_json
from kinote.notes.lists.search import SearchError
from kinote.notes.lists.studies import study_labels
from kinote.security.actors import Actor
from kinote.security.rights import Right
from kinote.web.api.notes.body import NoteBody
from kinote.web.api.protocol.idempotency import Answered, AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.api.protocol.versions import IfMatch, expected_version, required_version
from kinote.web.metrics import observe_note
from kinote.web.problems import FieldError, RefusedContentError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["notes"], route_class=PermittedAPIRoute)


@router.get("/studies/{study}/notes", summary="The notes of a study")
async def study_notes(
    request: Request,
    study: str,
    everything: Annotated[
        bool, Query(alias="all", description="With manifests, rejection notes and foreign references.")
    ] = False,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """List the notes that flag images of the study, wherever their KOS are, and those whose KOS are in the study.

    Documents of the study that could not be understood are listed as placeholders without a title.
    """
    rooms = rooms_of(request)

    def read() -> list[Note]:
        rooms.study_opened(study)
        with rooms.catalog.read() as connection:
            return queries.notes_of_study(connection, study, everything)

    body = answer(page([as_json(note) for note in await rooms.read(read)]))
    tag = f'"{hashlib.sha256(body.body).hexdigest()[:32]}"'
    if if_none_match is not None and tag in if_none_match:
        return Response(status_code=304, headers={"ETag": tag})
    body.headers["ETag"] = tag
    return body


@router.post("/studies/{study}/notes", status_code=201, summary="Make a note")
async def make_note(study: str, body: NoteBody, act: AskedAct) -> Response:
    """Make a note and, in the same transaction, its KOS documents: one for each study that it touches.

    At least one reference must be in the study. If anything is wrong, the whole request is refused, and each field is
    named.
    """
    now = _now(act)
    asked = _by_its_author(act, body.request())
    by = _author(act, asked)

    def work(transaction: Connection) -> Response:
        (note_id,) = make(transaction, [asked], study_instance_uid=study, by=by, now=now)
        made = _current(transaction, note_id)
        return _one(made, status=201, headers={"Location": f"/api/v1/notes/{note_id}"})

    return _counted("made", await act.do(work, now))


@router.get("/notes", summary="Search notes, newest first")
async def search_notes(
    request: Request,
    title: Annotated[str, Query(description="Code value, or `scheme|value`.")] = "",
    author: Annotated[str, Query(description="Beginning of the author's name, in any case.")] = "",
    origin: Annotated[str, Query(description="`authored`, `received` or `migrated`.")] = "",
    patient: Annotated[str, Query(description="Patient ID.")] = "",
    text: Annotated[str, Query(description="Part of the description.")] = "",
    since: Annotated[
        str, Query(description="Registered from this moment on (ISO 8601; UTC without an offset).")
    ] = "",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """Search notes that a live KOS carries; manifests and rejection notes only if their title is requested."""
    rooms = rooms_of(request)
    before = position_of(cursor, int)
    wanted = queries.NoteSearch(
        title=title,
        author=author,
        origin=origin,
        patient=patient,
        text=text,
        since=since,
        before=before[0] if before else None,
        limit=limit,
    )

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = queries.search(connection, wanted)
            labels = study_labels(connection, {note.study_instance_uid for note in found.items})
        items = [{**as_json(note), "study": labels.get(note.study_instance_uid)} for note in found.items]
        return page(items, cursor_of(found.next) if found.next else None)

    try:
        return answer(await rooms.read(read))
    except SearchError as error:
        raise RefusedContentError(str(error), errors=[FieldError(error.field, str(error))]) from error


@router.get("/notes/{note_id}", summary="A note")
async def get_note(request: Request, note_id: Key) -> Response:
    """Return the current version, withdrawn or not. Its number is the ETag."""
    rooms = rooms_of(request)

    def read() -> Note:
        with rooms.catalog.read() as connection:
            return _current(connection, note_id)

    return _one(await rooms.read(read))


@router.get("/notes/{note_id}/versions", summary="The history of a note")
async def get_versions(request: Request, note_id: Key) -> Response:
    """List all versions of the note, the latest first."""
    rooms = rooms_of(request)

    def read() -> Sequence[Note]:
        with rooms.catalog.read() as connection:
            return queries.versions(connection, note_id)

    found = await rooms.read(read)
    if not found:
        raise NoteNotFoundError(note_id)
    return answer(page([as_json(note) for note in found]))


@router.put("/notes/{note_id}", summary="Revise a note")
async def revise_note(
    request: Request, note_id: Key, body: NoteBody, act: AskedAct, if_match: IfMatch = None
) -> Response:
    """Make the next version. If-Match names the version it is based on; 412 if that is not current."""
    expected = required_version(if_match)
    now = _now(act)
    asked = _by_its_author(act, body.request())
    by = _author(act, asked)
    window = rooms_of(request).options.undo_window

    def work(transaction: Connection) -> Response:
        revise(
            transaction,
            note_id,
            asked,
            expected_version=expected,
            by=by,
            now=now,
            undo_window=window,
        )
        return _one(_current(transaction, note_id))

    return _counted("revised", await act.do(work, now))


@router.delete("/notes/{note_id}", summary="Withdraw a note")
async def delete_note(
    request: Request,
    note_id: Key,
    act: AskedAct,
    reason: Annotated[str, Query(description="Why, in a person's words.")] = "",
    if_match: IfMatch = None,
) -> Response:
    """Withdraw the note with its documents. It can still be read by its number.

    The response has the number of the `withdrawal`, by which it can be undone (`DELETE withdrawals/{id}`), and the end
    of its undo window.
    """
    expected = expected_version(if_match)
    window = rooms_of(request).options.undo_window
    now = _now(act)

    def work(transaction: Connection) -> Response:
        if not _is_own(act, queries.note(transaction, note_id)):
            act.require(Right.WITHDRAW_OTHERS)
        key = withdraw_note(
            transaction,
            note_id,
            text=reason,
            by=act.actor,
            now=now,
            expected_version=expected,
            undo_window=window,
        )
        made = one_withdrawal(transaction, key)
        withdrawal = {"id": key, "state": made.state, "closes_at": made.closes_at}
        return _one(_current(transaction, note_id), withdrawal=withdrawal)

    return _counted("withdrawn", await act.do(work, now))


@router.get("/instances/{sop}/notes", summary="Which notes flag an image")
async def instance_notes(request: Request, sop: str) -> Response:
    """List the notes that flag this instance, completely or partly, in the order they were made."""
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            return page([as_json(note) for note in queries.notes_of_instance(connection, sop)])

    return answer(await rooms.read(read))


def _current(connection: Connection, note_id: Key) -> Note:
    found = queries.note(connection, note_id)
    if found is None:
        raise NoteNotFoundError(note_id)
    return found


def _one(note: Note, *, status: int = 200, headers: dict[str, str] | None = None, **more: Any) -> Response:
    body: dict[str, Any] = {**as_json(note), **more}
    return answer(body, status=status, headers={"ETag": f'"{note.version}"', **(headers or {})})


def _counted(act: str, answered: Answered) -> Response:
    if answered.is_new:
        observe_note(act)
    return answered.response


def _by_its_author(act: AskedAct, asked: NoteRequest) -> NoteRequest:
    """Return the note with its author: the signed-in user; if nobody needs to sign in, the one that the request
    names.
    """
    actor = act.actor
    if not actor.is_verified:
        return asked
    return replace(asked, author=Author("person", actor.full_name or actor.name, actor.name, verified=True))


def _is_own(act: AskedAct, found: Note | None) -> bool:
    """Return whether a note is by the signed-in user; False if it does not exist."""
    return found is not None and found.origin == "authored" and found.author.login == act.actor.name != ""


def _author(act: AskedAct, asked: NoteRequest) -> Actor:
    """Return who makes a note. If nobody needs to sign in, this is its author, unless the request names another."""
    author = asked.author
    return act.actor.with_default_name((author.login or author.name) if author else "")


def _now(act: AskedAct) -> datetime:
    """Return the time in the time zone of the server, in which documents are written."""
    return act.now().astimezone()
