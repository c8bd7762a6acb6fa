"""What becomes of each object that is sent is told once, whatever happens to its association."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import ThreadedAssociationServer

from kinote.delivery.going_on import GoingOn
from kinote.delivery.outgoing import Sendable
from kinote.delivery.transmit import send, send_objects
from kinote.dicom.files.data_set_file import DataSet
from kinote.dimse.associations.acceptor import Acceptor, Listening
from kinote.dimse.associations.acceptor import Caller as Calling
from kinote.dimse.associations.negotiation import Acceptance, answer_to
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import AbortedError, BrokenError, DimseError, DisconnectedError, SilenceError
from kinote.dimse.protocol.pdu import AssociateReject, AssociateRequest
from kinote.dimse.transport.tls import TlsOptions
from kinote.media.sources import Source
from kinote.peers.reaching.calling import Caller
from tests.delivery.ending_peer import taking_of_each_association
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


def small(uid: str) -> Sendable:
    data = b"\x08\x00\x18\x00UI" + len(uid).to_bytes(2, "little") + uid.encode()
    return Sendable(CT, uid, EXPLICIT, lambda: DataSet(io.BytesIO(data), len(data)))


@contextmanager
def aborting_at(*uids: str) -> Iterator[tuple[ApplicationEntity, list[str]]]:
    """A receiver that aborts at some objects, with the UIDs of those it has taken."""
    taken: list[str] = []

    def store(event: evt.Event) -> int:
        assert isinstance(event.request, C_STORE)
        uid = str(event.request.AffectedSOPInstanceUID)
        if uid in uids:
            event.assoc.abort()
        else:
            taken.append(uid)
        return 0

    entity = AE("PROVIDER")
    entity.add_supported_context(CT, EXPLICIT)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    assert isinstance(server, ThreadedAssociationServer)
    try:
        yield ApplicationEntity("PROVIDER", *server.server_address), taken
    finally:
        server.shutdown()


def test_an_object_at_which_the_peer_aborts_keeps_no_other_from_being_sent() -> None:
    uids = [f"1.2.{number}0" for number in range(6)]
    bad = [uids[0], uids[3], uids[5]]
    with aborting_at(*bad) as (peer, taken):
        sent = list(send_objects(Caller(peer, "TESTER", TlsOptions()), [small(uid) for uid in uids]))
    assert taken == [uid for uid in uids if uid not in bad]
    assert [each.sent.kind for each in sent if each.sent] == [
        "failed" if uid in bad else "completed" for uid in uids
    ]


def test_an_object_that_is_not_the_first_of_its_association_is_offered_once_more() -> None:
    """Some peers end each association after so many objects."""
    uids = [f"1.2.{number}0" for number in range(4)]
    with taking_of_each_association(1) as (peer, taken):
        sent = list(send_objects(Caller(peer, "TESTER", TlsOptions()), [small(uid) for uid in uids]))
    assert taken == uids
    assert [each.sent.kind for each in sent if each.sent] == ["completed"] * 4


def test_an_association_that_does_not_come_about_leaves_what_waits_to_the_others() -> None:
    uids = [f"1.2.{number}0" for number in range(6)]
    is_rejected = threading.Event()

    def store(event: evt.Event) -> int:
        is_rejected.wait(60)
        return 0

    entity = AE("PROVIDER")
    entity.maximum_associations = 1
    entity.add_supported_context(CT, EXPLICIT)
    handlers: list[evt.EventHandlerType] = [
        (evt.EVT_C_STORE, store),
        (evt.EVT_REJECTED, lambda event: is_rejected.set()),
    ]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert isinstance(server, ThreadedAssociationServer)
    try:
        call = Caller(ApplicationEntity("PROVIDER", *server.server_address), "TESTER", TlsOptions())
        sent = list(send_objects(call, [small(uid) for uid in uids], associations=2))
    finally:
        server.shutdown()
    assert is_rejected.is_set()
    assert {each.name: each.sent.kind for each in sent if each.sent} == dict.fromkeys(uids, "completed")


def test_each_object_is_told_of_once_where_no_association_comes_about() -> None:
    with aborting_at() as (peer, _):
        pass
    uids = [f"1.2.{number}0" for number in range(6)]
    call = Caller(peer, "TESTER", TlsOptions())
    sent = list(send_objects(call, [small(uid) for uid in uids], associations=3))
    assert {each.name: each.sent.kind for each in sent if each.sent} == dict.fromkeys(uids, "failed")
    assert len(sent) == 6


def test_an_object_whose_uid_is_too_long_is_not_sent_at_all() -> None:
    long = "1." + "2" * 70
    with aborting_at() as (peer, taken):
        sent = list(send_objects(Caller(peer, "TESTER", TlsOptions()), [small(long), small("1.2.40")]))
    assert taken == ["1.2.40"]
    assert "64 at most" in sent[0].reason


@pytest.mark.parametrize(
    ("error", "is_by_the_peer"),
    [
        (AbortedError(0, 0), True),
        (DisconnectedError(), True),
        (SilenceError(), False),
        (BrokenError(), False),
    ],
    ids=["aborted", "disconnected", "silent", "ended here"],
)
def test_what_is_offered_again(error: DimseError, is_by_the_peer: bool) -> None:
    going_on = GoingOn()
    going_on.begun()
    assert not going_on.is_offered_again(error)
    going_on.answered()
    assert going_on.is_offered_again(error) is is_by_the_peer
    going_on.begun()
    assert not going_on.is_offered_again(error)


def test_a_peer_that_ends_every_association_is_given_up() -> None:
    going_on = GoingOn()
    assert [going_on.after(AbortedError(0, 0)) for _ in range(100)] == [True] * 99 + [False]
    going_on.answered()
    assert [going_on.after(SilenceError()) for _ in range(3)] == [True, True, False]


def file_of(sop_class: str, syntax: str = EXPLICIT) -> bytes:
    data = b"".join(
        b"\x08\x00" + bytes([element, 0]) + b"UI" + len(value).to_bytes(2, "little") + value
        for element, value in ((0x16, padded(sop_class)), (0x18, b"1.2.3 "))
    )
    meta = b"\x02\x00\x10\x00UI" + len(padded(syntax)).to_bytes(2, "little") + padded(syntax)
    group_length = b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little")
    return bytes(128) + b"DICM" + group_length + meta + data


def padded(uid: str) -> bytes:
    written = uid.encode("latin-1")
    return written + b"\0" * (len(written) % 2)


def test_a_file_whose_uids_are_none_fails_alone() -> None:
    files = {
        "class": file_of("1." + "2" * 70),
        "letters": file_of("1.2.\xe4\xf6"),
        "syntax": file_of(CT, "1." + "2" * 70),
        "good": file_of(CT),
    }

    def source(name: str) -> Source:
        return Source(name, len(files[name]), lambda: io.BytesIO(files[name]))

    with aborting_at() as (peer, taken):
        found = list(send(Caller(peer, "TESTER", TlsOptions()), map(source, files)))
    assert taken == ["1.2.3"]
    reasons = {each.name: each.reason for each in found if each.sent is None}
    assert sorted(reasons) == ["class", "letters", "syntax"]
    assert all("no UID" in reason for reason in reasons.values())


def test_a_class_whose_uid_is_too_long_keeps_no_other_from_being_sent() -> None:
    data = small("1.2.10")
    odd = Sendable("1." + "2" * 70, "1.2.20", EXPLICIT, data.open)
    with aborting_at() as (peer, taken):
        sent = list(send_objects(Caller(peer, "TESTER", TlsOptions()), [odd, data]))
    assert taken == ["1.2.10"]
    assert {each.name: each.sent.kind for each in sent if each.sent} == {
        "1.2.10": "completed",
        "1.2.20": "failed",
    }
