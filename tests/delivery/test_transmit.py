"""What becomes of each object that is sent is told once, whatever happens to its association."""

from __future__ import annotations

import io

from kinote.delivery.outgoing import Sendable
from kinote.delivery.transmit import send_objects
from kinote.dicom.files.data_set_file import DataSet
from kinote.dimse.acceptor import Acceptor, Listening
from kinote.dimse.acceptor import Caller as Calling
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.negotiation import Acceptance, answer_to
from kinote.dimse.pdu import AssociateReject, AssociateRequest
from kinote.dimse.tls import TlsOptions
from kinote.peers.calling import Caller
from tests.dimse.both_ends import EXPLICIT, Provider, service_of
from tests.dimse.ends import CALM, CT


class TakesOneAssociation(Provider):
    """Refuses all others."""

    taken = 0

    def negotiate(self, request: AssociateRequest, caller: Calling) -> Acceptance | AssociateReject:
        self.taken += 1
        return answer_to(request, service_of) if self.taken == 1 else AssociateReject(1, 1, 1)


def cut_short(uid: str) -> Sendable:
    """An object whose file ends before its data set does: that ends the association on which it is sent."""
    return Sendable(CT, uid, EXPLICIT, lambda: DataSet(io.BytesIO(b"\x08\x00"), 1000))


def test_each_object_is_told_of_once_where_no_further_association_comes_about() -> None:
    acceptor = Acceptor([Listening("127.0.0.1", 0)], TakesOneAssociation(), patience=CALM)
    try:
        peer = ApplicationEntity("PROVIDER", *acceptor.addresses[0])
        wanted = [cut_short(f"1.2.{number}") for number in range(3)]
        told = [each.name for each in send_objects(Caller(peer, "TESTER", TlsOptions()), wanted)]
    finally:
        acceptor.close()
    assert told == ["1.2.0", "1.2.1", "1.2.2"]
