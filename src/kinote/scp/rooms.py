"""The packages and options that the DICOM interface uses."""

from __future__ import annotations

from dataclasses import dataclass, field

from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.ledger import RecordFor, without_ledger
from kinote.dimse.operations.offered import NOTHING, Offered
from kinote.holdings.door import Door
from kinote.intake.receiver import Receiver
from kinote.peers.known import PeersInUse
from kinote.scp.associations.session import Session
from kinote.scp.options import ScpOptions
from kinote.scp.queries.turns import Turns
from kinote.security.audit.entry import AuditEvent, Entry
from kinote.security.audit.trail import AuditTrail
from kinote.security.policy import Policy
from kinote.security.sign_in.identifying import SignIn

#: The number of queries answered at once. Each keeps a reader of the index until its final response has gone out,
#: perhaps to a slow caller; the index has only some more readers.
_QUERIES, _QUERIES_PER_HOST = 8, 6


@dataclass(frozen=True, slots=True)
class Rooms:
    """The packages below, the options of the DICOM interface, the rights, and its share of the readers of the index.

    `normalized` are the normalized services that are offered. `record_for` records what peers are sent.
    """

    catalog: Catalog
    receiver: Receiver
    door: Door
    options: ScpOptions
    policy: Policy
    peers: PeersInUse = field(default_factory=PeersInUse)
    normalized: Offered = NOTHING
    queries: Turns = field(default_factory=lambda: Turns(_QUERIES, _QUERIES_PER_HOST))
    record_for: RecordFor = without_ledger
    #: The audit trail; None if there is none.
    trail: AuditTrail | None = None
    #: How users sign in; None if they cannot.
    sign_in: SignIn | None = None


@dataclass(slots=True, kw_only=True)
class IndexSession(Session):
    """An association on which all services are available."""

    rooms: Rooms

    @property
    def normalized(self) -> Offered:
        return self.rooms.normalized

    def note_refusal(self, operation: str) -> None:
        if self.rooms.trail is not None:
            detail = {"service": operation, **self.beside}
            self.rooms.trail.note(Entry(AuditEvent.REFUSED, self.who, "refused", detail=detail))
