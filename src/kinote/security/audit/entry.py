"""Entries of the audit trail: what happened, who did it, with what outcome, and whom it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from kinote.security.actors import Actor
from kinote.security.rights import Right

Outcome = Literal["success", "refused", "failure"]


class AuditEvent(StrEnum):
    """What an entry is about. The values are stored and never change."""

    SIGN_IN = "sign-in"
    SIGN_OUT = "sign-out"
    REFUSED = "refused"
    READ = "read"
    QUERY = "query"
    STORED = "stored"
    MARKED = "marked"
    WITHDRAWN = "withdrawn"
    RESTORED = "restored"
    DECIDED = "decided"
    DELIVERED = "delivered"
    PURGED = "purged"
    CONFIGURED = "configured"
    USERS_CHANGED = "users changed"
    TRAIL_READ = "trail read"
    TRAIL_REMOVED = "trail removed"


@dataclass(frozen=True, slots=True)
class Concerned:
    """What an entry is about: a study, or what leads to one: an instance, a note or a held copy.

    The patient is looked up when the entry is written.
    """

    study: str = ""
    instance: str = ""
    note: int | None = None
    held: int | None = None
    #: What else names it, e.g. `withdrawal 7`.
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, before it is written."""

    event: AuditEvent
    by: Actor
    outcome: Outcome = "success"
    concerned: Concerned = Concerned()
    detail: Mapping[str, str | int] = field(default_factory=dict)


#: What requests are recorded as, by their right. Those of other rights contain no patient data and change nothing.
_READING = {
    Right.READ: AuditEvent.READ,
    Right.EXAMINE: AuditEvent.READ,
    Right.DELIVER: AuditEvent.READ,
    Right.AUDIT: AuditEvent.TRAIL_READ,
}
_CHANGING = {
    Right.STORE: AuditEvent.STORED,
    Right.MARK: AuditEvent.MARKED,
    Right.WITHDRAW: AuditEvent.WITHDRAWN,
    Right.WITHDRAW_OTHERS: AuditEvent.WITHDRAWN,
    Right.REJECT: AuditEvent.DECIDED,
    Right.RELEASE: AuditEvent.DECIDED,
    Right.HOLD: AuditEvent.DECIDED,
    Right.RETAIN: AuditEvent.CONFIGURED,
    Right.DELIVER: AuditEvent.DELIVERED,
    Right.OPERATE: AuditEvent.CONFIGURED,
    Right.EXAMINE: AuditEvent.CONFIGURED,
    Right.ADMINISTER: AuditEvent.USERS_CHANGED,
}

#: Requests that are recorded otherwise than their right says. None: they are not.
_OTHERWISE: Mapping[tuple[str, str], AuditEvent | None] = {
    ("POST", "/api/v1/migrations/notes"): AuditEvent.MARKED,
    ("POST", "/api/v1/migrations/key-objects"): AuditEvent.MARKED,
    # It tells that something happened, and not of whom. Readers ask it all the time.
    ("GET", "/api/v1/changes"): None,
    # Whoever asked for commitment reads the result, which names instances.
    ("GET", "/dicomweb/commitment-requests/{transaction}"): AuditEvent.READ,
    # It changes nothing: a question that is too long for an address.
    ("POST", "/api/v1/exports/plan"): AuditEvent.QUERY,
    ("DELETE", "/api/v1/withdrawals/{withdrawal_id}"): AuditEvent.RESTORED,
    ("POST", "/api/v1/withdrawals/{withdrawal_id}/issue-again"): AuditEvent.RESTORED,
    ("POST", "/api/v1/withdrawal-requests/{request_id}"): AuditEvent.DECIDED,
}


def event_of_request(method: str, path: str, right: Right) -> AuditEvent | None:
    """Return what a request is recorded as, by its method, the path of its route, and its right; None if it is not.

    A list is a query: it concerns no single study.
    """
    if method == "HEAD":
        method = "GET"
    if (method, path) in _OTHERWISE:
        return _OTHERWISE[method, path]
    if method != "GET":
        return _CHANGING.get(right)
    event = _READING.get(right)
    return AuditEvent.QUERY if event is AuditEvent.READ and "{" not in path else event
