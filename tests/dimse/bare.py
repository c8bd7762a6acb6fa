"""A requestor that writes its PDUs by hand, rightly or not."""

from __future__ import annotations

import socket

from kinote.dimse.command_sets.coding import encode_command
from kinote.dimse.commands import CEchoRequest, CStoreRequest
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.protocol.pdu import (
    AssociateRequest,
    DataTransfer,
    PresentationData,
    ProposedContext,
    encode,
)
from kinote.dimse.protocol.user_information import UserInformation
from tests.dimse.ends import CT, IMPLICIT

ECHO = encode_command(CEchoRequest(message_id=7, affected_sop_class_uid=VERIFICATION))
STORE = encode_command(
    CStoreRequest(
        message_id=8, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3", has_data_set=True
    )
)


class Bare:
    """A requestor that writes its PDUs by hand: an association with two contexts, 1 to verify, 3 to store."""

    def __init__(self, peer: ApplicationEntity, maximum_length: int = 16384) -> None:
        assert peer.host is not None and peer.port is not None
        self.socket = socket.create_connection((peer.host, peer.port))
        self.socket.settimeout(60)
        contexts = (ProposedContext(1, VERIFICATION, (IMPLICIT,)), ProposedContext(3, CT, (IMPLICIT,)))
        self.send(encode(AssociateRequest("KINOTE", "BARE", contexts, UserInformation(maximum_length))))
        assert self.receive()[0] == 2

    def __enter__(self) -> Bare:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> bytes:
        """The next PDU, empty at the end."""
        head = exactly(self.socket, 6)
        return head + exactly(self.socket, int.from_bytes(head[2:6], "big")) if head else b""


def data(context: int, *values: tuple[bytes, bool, bool]) -> bytes:
    """A P-DATA-TF of fragments: what they hold, whether of a command, whether the last."""
    return encode(
        DataTransfer(
            tuple(PresentationData(context, is_command, last, part) for part, is_command, last in values)
        )
    )


def exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or none at the end."""
    received = b""
    while len(received) < size:
        piece = sock.recv(size - len(received))
        if not piece:
            assert not received
            return b""
        received += piece
    return received
