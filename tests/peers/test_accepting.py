"""What a peer accepts is what it says when it is proposed, and nothing is stored there."""

from __future__ import annotations

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse.transport.tls import TlsOptions
from kinote.peers.reaching.accepting import Accepted, accepted_by
from kinote.peers.reaching.calling import Caller
from tests.catalog.archive import CT, KOS, MR
from tests.delivery.lying_peer import Peer, listening


def accepted(peer: Peer) -> Accepted:
    with listening(peer) as endpoint:
        found = accepted_by(Caller(endpoint.entity, "KINOTE", TlsOptions()))
    assert peer.given == []
    return found


def test_what_a_peer_accepts_is_told_by_classes_syntaxes_and_services() -> None:
    found = accepted(Peer(classes=(KOS, CT)))
    assert set(found.classes) == {KOS, CT}
    assert set(found.transfer_syntaxes) == {EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN}
    assert (found.syntaxes_of, found.queries, found.commitment) == (CT, True, False)


def test_syntaxes_are_those_of_another_class_where_ct_is_not_taken() -> None:
    found = accepted(Peer(classes=(MR,), answers_queries=False))
    assert (found.classes, found.syntaxes_of, found.queries) == ((MR,), MR, False)


def test_a_peer_that_stores_nothing_accepts_nothing() -> None:
    found = accepted(Peer(classes=()))
    assert (found.classes, found.transfer_syntaxes, found.queries) == ((), (), True)
