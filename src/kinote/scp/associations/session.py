"""An association that is being served: what its performers need, and what is reported at its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from kinote.dimse.associations.acceptor import Caller
from kinote.dimse.associations.association import Association
from kinote.dimse.commands import CCancelRequest, Command
from kinote.dimse.operations import both_ways
from kinote.dimse.operations.offered import NOTHING, Offered
from kinote.intake.expected import Expected
from kinote.intake.outcome import Outcome
from kinote.intake.upload import Upload
from kinote.memory.ledger import Charge
from kinote.memory.shared import MEMORY
from kinote.scp.associations.named_user import NamedUser
from kinote.scp.queries.identifier_error import IdentifierError, Refusal
from kinote.security.actors import Actor, ActorKind
from kinote.security.origins import Interface, Origin
from kinote.security.rights import Right

#: The longest identifier, in bytes.
_LONGEST_IDENTIFIER = 4 * 1024 * 1024


class WayIn(Protocol):
    """Where received objects go."""

    def open(self, origin: Origin, expected: Expected) -> Upload:
        """Begin to receive an object of this origin."""

    def observe(self, refusal: Outcome) -> None:
        """Record an object that is refused before it begins."""


@dataclass(slots=True)
class Session:
    """An association, who opened it, and what has been done on it so far.

    Received objects, of at most `largest_object` bytes, go the `way_in`. `granted` are the rights of the caller when
    the association was accepted. `done` counts operations by service and outcome, e.g. ("store", "stored"). Services
    that need more have a class of their own (`scp.rooms`), so that a process without an index can serve too.
    """

    association: Association
    caller: Caller
    way_in: WayIn
    largest_object: int | None
    granted: frozenset[Right]
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: The caller, as the origin of what it stores.
    actor: Actor = field(init=False)
    origin: Origin = field(init=False)
    #: The memory that the request at work is charged with.
    memory: Charge = field(init=False, default_factory=MEMORY.open)
    #: Whether the requests so far were allowed, by presentation context and message (`scp.associations.serving`).
    allowed: dict[tuple[int, type[Command]], bool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.actor = peer(self.calling_ae_title, self.caller)
        self.origin = Origin(Interface.C_STORE, self.actor)

    @property
    def normalized(self) -> Offered:
        """The normalized services that are offered."""
        return NOTHING

    @property
    def who(self) -> Actor:
        """The actor in the audit trail: the user that has signed in, else the peer."""
        user = self.association.user
        if isinstance(user, NamedUser) and user.is_verified:
            return Actor(ActorKind.PERSON, user.login, self.caller.host)
        return self.actor

    @property
    def beside(self) -> dict[str, str]:
        """Further details for the audit trail: the peer that a user came by, or the user that a peer claims."""
        user = self.association.user
        if not isinstance(user, NamedUser):
            return {}
        return {"peer": self.calling_ae_title} if user.is_verified else {"claimed user": user.login}

    def note_refusal(self, operation: str) -> None:
        """Record an operation that was refused because its right is missing. Without an index, nothing is recorded."""

    @property
    def calling_ae_title(self) -> str:
        return self.association.request.calling_ae_title

    @property
    def called_ae_title(self) -> str:
        return self.association.request.called_ae_title

    def application_information(self, sop_class_uid: str) -> bytes:
        """Return what the caller requested by extended negotiation; empty if it did not (PS3.7 D.3.3.5)."""
        extended = self.association.request.user_information.extended
        return next(
            (each.application_information for each in extended if each.sop_class_uid == sop_class_uid), b""
        )

    def identifier(self) -> bytes:
        """Read the identifier of the request.

        Raises `IdentifierError` if it is too long, and `MemoryFullError`.
        """
        data = self.association.whole_data_set(_LONGEST_IDENTIFIER, self.memory)
        if data is None:
            raise IdentifierError(
                Refusal.OUT_OF_RESOURCES, f"The identifier has more than {_LONGEST_IDENTIFIER} bytes"
            )
        return data

    def is_cancelled(self, message_id: int) -> bool:
        """Return whether the caller has cancelled its request, without waiting.

        A message that has begun must arrive without pauses. Raises `AssociationError` if the caller has gone.
        """
        while self.association.something_waits():
            message = self.association.receive_due(self.association.patience.within)
            command = message.command
            if not isinstance(command, CCancelRequest):
                both_ways.meanwhile(self.association, message)
            elif command.message_id_being_responded_to == message_id:
                return True
            else:
                both_ways.pass_cancel(self.association)
        return False


def peer(calling_ae_title: str, caller: Caller) -> Actor:
    """Return the actor who opened an association."""
    return Actor(ActorKind.PEER, calling_ae_title, caller.host)
