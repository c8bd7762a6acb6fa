"""Audit entries of queries and retrievals.

Stored instances are recorded elsewhere, in the transaction that files them.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.datadict import keyword_for_tag

from kinote.holdings.live_objects import LiveObject
from kinote.scp.queries.identifiers import Identifier
from kinote.scp.rooms import IndexSession
from kinote.security.actors import ActorKind, IdentifiedActor
from kinote.security.audit.entry import AuditEvent, Concerned, Entry, Outcome
from kinote.security.audit.trail import AuditTrail

#: The most characters of a query that are recorded.
_LONGEST = 500


def note_query(session: IndexSession, identifier: Identifier) -> None:
    """Record what was searched for."""
    trail = session.rooms.trail
    if trail is None:
        return
    asked = "&".join(
        f"{'.'.join(keyword_for_tag(tag) or f'{tag:08X}' for tag in path)}={value}"
        for path, value in identifier.keys.items()
        if value
    )
    detail = {"service": "C-FIND", "level": identifier.level.name, "query": asked[:_LONGEST]}
    trail.note(Entry(AuditEvent.QUERY, session.who, detail={**detail, **session.beside}))


def note_retrieval(
    session: IndexSession,
    service: str,
    objects: Iterable[LiveObject],
    destination: str = "",
    *,
    is_refused: bool = False,
) -> None:
    """Record the studies of a retrieval, its destination unless that is the caller, and whether it was refused."""
    trail = session.rooms.trail
    if trail is None:
        return
    event = AuditEvent.DELIVERED if destination else AuditEvent.READ
    detail = {"service": service, **({"destination": destination} if destination else {}), **session.beside}
    outcome: Outcome = "failure" if is_refused else "success"
    for study in sorted({each.study_instance_uid for each in objects}):
        trail.note(Entry(event, session.who, outcome, Concerned(study=study), detail))


def note_rejection(trail: AuditTrail | None, title: str, host: str, reason: str) -> None:
    """Record that an association was rejected. All rejections of an address count as one, since anybody can invent AE
    titles.
    """
    if trail is not None:
        nobody = IdentifiedActor(ActorKind.PEER, "", host)
        detail = {"service": "association", "calling": title, "reason": reason}
        trail.note(Entry(AuditEvent.REFUSED, nobody, "refused", detail=detail))
