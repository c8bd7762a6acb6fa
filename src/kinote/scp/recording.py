"""What queries and retrievals leave in the audit trail.

What a peer stores is recorded with each instance, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.datadict import keyword_for_tag

from kinote.holdings.live_objects import LiveObject
from kinote.scp.identifiers import Identifier
from kinote.scp.rooms import IndexSession
from kinote.security.audit.entry import AuditEvent, Concerned, Entry, Outcome

#: Characters of a query that are kept.
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
    trail.note(Entry(AuditEvent.QUERY, session.actor, detail=detail))


def note_retrieval(
    session: IndexSession,
    service: str,
    objects: Iterable[LiveObject],
    destination: str = "",
    *,
    is_refused: bool = False,
) -> None:
    """Record of which studies objects were asked for, where they go if not to the caller, and whether they do not."""
    trail = session.rooms.trail
    if trail is None:
        return
    event = AuditEvent.DELIVERED if destination else AuditEvent.READ
    detail = {"service": service, **({"destination": destination} if destination else {})}
    outcome: Outcome = "failure" if is_refused else "success"
    for study in sorted({each.study_instance_uid for each in objects}):
        trail.note(Entry(event, session.actor, outcome, Concerned(study=study), detail))
