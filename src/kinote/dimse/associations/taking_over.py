"""Taking over an association that another process has accepted."""

from __future__ import annotations

import socket

from kinote.dimse.associations.association import Association, Handed
from kinote.dimse.protocol.state_table import State
from kinote.dimse.transport.connection import Connection
from kinote.dimse.transport.endpoint import Endpoint


def taken_over(sock: socket.socket, handed: Handed, *, largest_data: int) -> Association:
    """Return the association that another process has handed over together with `sock`.

    `largest_data` is the maximum length of a P-DATA-TF that was proposed, in bytes. Close the connection with `close`.
    """
    connection = Connection(sock, largest_data=largest_data, sending_seconds=handed.patience.within)
    connection.resume(handed.unread, handed.received, handed.sent)
    endpoint = Endpoint(connection, is_requestor=False, patience=handed.patience)
    endpoint.layer.state = State.ESTABLISHED
    return Association(endpoint, handed.request, handed.contexts, handed.peer_maximum_length)
