"""Audit entries of requests: what was read, what was refused, and the acts of the REST API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.types import Message, Scope, Send

from kinote.security.actors import Actor
from kinote.security.audit.entry import AuditEvent, Concerned, Entry
from kinote.security.rights import Right
from kinote.web.requests.actor import actor_of
from kinote.web.rooms import Rooms, rooms_of

#: The key of a request's audit event and route path in its scope.
RECORDED, WHOLE_PATH = "kinote.recorded", "kinote.whole_path"

#: Events that change nothing, or are recorded elsewhere if they do. They are gathered, and written in groups. A stored
#: instance is recorded in the transaction that files it.
NOTED = frozenset({AuditEvent.READ, AuditEvent.QUERY, AuditEvent.TRAIL_READ, AuditEvent.STORED})

#: The most characters taken from a query.
_LONGEST_QUERY = 500

#: Parameters in paths, and what they are numbers of.
_NUMBERS = {
    "request_id": "withdrawal request",
    "withdrawal_id": "withdrawal",
    "held_id": "held copy",
    "hold_id": "hold",
    "plan_id": "retention plan",
    "decision_id": "decision",
    "correction_id": "proposed correction",
    "rejection_id": "rejection",
    "backup_id": "backup",
    "commitment_id": "storage commitment",
    "transaction": "storage commitment",
    "fetch_id": "fetch",
    "followed_id": "followed peer",
    "job_id": "job",
    "delivery_id": "delivery",
    "route_id": "route",
    "alert_id": "alert",
    "peer_id": "peer",
    "destination_id": "destination",
    "user_id": "user",
    "token_id": "token",
    "kind": "queue",
}


def noting(rooms: Rooms, scope: Scope, send: Send) -> Send:
    """Return `send`, which also records what was read when a successful response starts."""

    async def send_and_note(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < 400 and rooms.trail is not None:
            request = Request(scope)
            rooms.trail.note(
                Entry(
                    scope[RECORDED],
                    actor_of(request),
                    concerned=concerned_by(scope.get("path_params", {})),
                    detail=_listed(scope) | _asked(scope),
                )
            )
        await send(message)

    return send_and_note


def note_refusal(
    rooms: Rooms, actor: Actor, method: str, path: str, right: Right, parameters: Mapping[str, Any]
) -> None:
    """Record that a request was refused because a right is missing. Nothing is looked up for it here."""
    if rooms.trail is not None:
        rooms.trail.note(
            Entry(
                AuditEvent.REFUSED,
                actor,
                "refused",
                concerned_by(parameters),
                {"method": method[:10], "path": path, "right": str(right)},
            )
        )


def act_entry(request: Request) -> Entry | None:
    """Return the entry of the act that a request performs; None if it is not recorded."""
    event: AuditEvent | None = request.scope.get(RECORDED)
    if event is None or event in NOTED:
        return None
    return Entry(
        event,
        actor_of(request),
        concerned=concerned_by(request.path_params),
        detail={"method": request.method, "path": request.scope[WHOLE_PATH], **_asked(request.scope)},
    )


def recorder(request: Request, **detail: str | int) -> Callable[[Connection, Mapping[str, int]], None]:
    """Return a function that records parts of a long act, each in its own transaction, with its results."""
    trail, entry, clock = rooms_of(request).trail, act_entry(request), rooms_of(request).clock

    def record(transaction: Connection, done: Mapping[str, int]) -> None:
        if trail is not None and entry is not None:
            whole = replace(entry, detail={**entry.detail, **detail, **done})
            trail.write(transaction, [whole], clock())

    return record


def concerned_by(parameters: Mapping[str, Any]) -> Concerned:
    """Return what the parameters in a path name."""
    number = next(
        (f"{what} {str(parameters[name])[:40]}" for name, what in _NUMBERS.items() if name in parameters), ""
    )
    return Concerned(
        study=_uid(parameters, "study"),
        instance=_uid(parameters, "sop"),
        note=_key(parameters, "note_id"),
        held=_key(parameters, "held_id"),
        subject=number,
    )


def _key(parameters: Mapping[str, Any], name: str) -> int | None:
    """Return a key in a path; None for numbers too long to be a key."""
    given = str(parameters.get(name, ""))
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


def _uid(parameters: Mapping[str, Any], name: str) -> str:
    """Return a UID in a path; empty if no database can look it up."""
    given = str(parameters.get(name, ""))[:64]
    return given if given.isprintable() else ""


def _listed(scope: Scope) -> dict[str, str | int]:
    """Return which list was requested."""
    return {} if scope.get("path_params") else {"path": scope[WHOLE_PATH]}


def _asked(scope: Scope) -> dict[str, str | int]:
    """Return the query of a list, which says what was searched for; of one study, it only says how it is shown."""
    if scope.get("path_params", {}).get("study"):
        return {}
    query = scope.get("query_string", b"").decode("ascii", "replace")[:_LONGEST_QUERY]
    asked = {name: value for name, value in parse_qsl(query) if name not in ("cursor", "limit", "offset")}
    return {"query": "&".join(f"{name}={value}" for name, value in asked.items())} if asked else {}


def record_change(request: Request, transaction: Connection, subject: str, **detail: str | int) -> None:
    """Record a change of users or tokens in its transaction, without secrets."""
    trail = rooms_of(request).trail
    event: AuditEvent | None = request.scope.get(RECORDED)
    if trail is not None and event is not None:
        entry = Entry(event, actor_of(request), concerned=Concerned(subject=subject), detail=detail)
        trail.write(transaction, [entry], rooms_of(request).clock())


def record_begun(request: Request, **detail: str) -> None:
    """Record in a separate transaction that a long act begins. Blocks until it is committed."""
    rooms, record = rooms_of(request), recorder(request, **detail)
    rooms.catalog.write(lambda transaction: record(transaction, {}))
