"""Going on with an association that another process has accepted."""

from __future__ import annotations

import socket

from kinote.dimse.association import Association, Handed
from kinote.dimse.connection import Connection
from kinote.dimse.endpoint import Endpoint
from kinote.dimse.state_table import State


def taken_over(sock: socket.socket, handed: Handed, *, largest_data: int) -> Association:
    """The association on a socket that came with it; its connection is closed by `close`."""
    connection = Connection(sock, largest_data=largest_data, sending_seconds=handed.patience.within)
    connection.resume(handed.unread, handed.received, handed.sent)
    endpoint = Endpoint(connection, is_requestor=False, patience=handed.patience)
    endpoint.layer.state = State.ESTABLISHED
    return Association(endpoint, handed.request, handed.contexts, handed.peer_maximum_length)
