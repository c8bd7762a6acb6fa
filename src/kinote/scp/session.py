"""An association that is being served: what its performers need, and what is told of it at its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from kinote.dimse.acceptor import Caller
from kinote.dimse.association import Association
from kinote.dimse.commands import CCancelRequest
from kinote.dimse.operations import both_ways
from kinote.dimse.operations.offered import NOTHING, Offered
from kinote.intake.expected import Expected
from kinote.intake.upload import Upload
from kinote.scp.identifier_error import IdentifierError, Refusal

#: Bytes of an identifier at most.
_LONGEST_IDENTIFIER = 4 * 1024 * 1024


class WayIn(Protocol):
    """Where received objects go."""

    def open(self, received_from: str, expected: Expected) -> Upload:
        """Begin to receive one object; `received_from` says by which face and from whom."""


@dataclass(slots=True)
class Session:
    """An association, who has opened it, and what has been done on it so far.

    Received objects, of `largest_object` bytes at most, go the `way_in`. `done` counts operations by service and what
    became of them, e.g. ("store", "stored"). What else a service needs is in a class of its own (`scp.rooms`), so that
    a process without an index can serve as well.
    """

    association: Association
    caller: Caller
    way_in: WayIn
    largest_object: int | None
    done: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def normalized(self) -> Offered:
        """The normalized services that are offered."""
        return NOTHING

    @property
    def calling_ae_title(self) -> str:
        return self.association.request.calling_ae_title

    @property
    def called_ae_title(self) -> str:
        return self.association.request.called_ae_title

    def application_information(self, sop_class_uid: str) -> bytes:
        """What the caller has asked for by extended negotiation; nothing if it has not (PS3.7 D.3.3.5)."""
        extended = self.association.request.user_information.extended
        return next(
            (each.application_information for each in extended if each.sop_class_uid == sop_class_uid), b""
        )

    def identifier(self) -> bytes:
        """The identifier of the request. Raises `IdentifierError` for one that is too long."""
        data = self.association.whole_data_set(_LONGEST_IDENTIFIER)
        if data is None:
            raise IdentifierError(
                Refusal.OUT_OF_RESOURCES, f"The identifier has more than {_LONGEST_IDENTIFIER} bytes"
            )
        return data

    def is_cancelled(self, message_id: int) -> bool:
        """Whether the caller no longer wants the answers to its request; looked up without waiting.

        Raises `AssociationError` where the caller has gone.
        """
        while self.association.something_waits():
            message = self.association.receive_due()
            command = message.command
            if not isinstance(command, CCancelRequest):
                both_ways.meanwhile(self.association, message)
            elif command.message_id_being_responded_to == message_id:
                return True
        return False
