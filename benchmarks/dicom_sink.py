"""A receiver that stores nothing: what the upper layer alone takes, and what a sender can send at all.

python -m benchmarks.dicom_sink PORT
"""

from __future__ import annotations

import signal
import sys

from kinote.dimse import statuses
from kinote.dimse.associations.acceptor import Acceptor, Caller, Listening
from kinote.dimse.associations.admission import Refused
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.negotiation import Acceptance, Service, answer_to
from kinote.dimse.commands import CStoreRequest, CStoreResponse
from kinote.dimse.protocol.pdu import AssociateReject, AssociateRequest

#: Takes the transfer syntax that the requestor names first.
_SERVICE = Service(lambda proposed: proposed[0] if proposed else None)


class Sink:
    """Says of every object that it is stored."""

    def negotiate(self, request: AssociateRequest, caller: Caller) -> Acceptance | AssociateReject:
        return answer_to(request, lambda uid: _SERVICE)

    def serve(self, association: Association, caller: Caller) -> None:
        while (message := association.receive()) is not None:
            request = message.command
            assert isinstance(request, CStoreRequest)
            for _ in association.data_set():
                pass
            answer = CStoreResponse(
                message_id_being_responded_to=request.message_id,
                affected_sop_class_uid=request.affected_sop_class_uid,
                affected_sop_instance_uid=request.affected_sop_instance_uid,
                status=statuses.SUCCESS,
            )
            association.send(message.context, answer)

    def failed(self, caller: Caller, why: str) -> None:
        """Whoever looks whether this runs connects and says nothing."""

    def refused(self, caller: Caller, why: Refused) -> None:
        """Nobody is, with as few connections as senders make."""


if __name__ == "__main__":
    acceptor = Acceptor([Listening("127.0.0.1", int(sys.argv[1]))], Sink())
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    acceptor.close()
