"""Messages between the main process and a receiver process, except objects: each is a frame of one kind.

Descriptors arrive with the first bytes of the message that needs them (SCM_RIGHTS).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kinote.dimse.associations.acceptor import Caller
from kinote.dimse.associations.association import Handed
from kinote.intake.packets.frames import frame
from kinote.intake.packets.handing_on import LargeObjects
from kinote.intake.packets.packet import FORMAT, encode_told
from kinote.scp.associations.report import AssociationReport
from kinote.security.rights import Right

#: The only kind of frame between the two, apart from the channels of associations.
MESSAGE = 1


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first message to a receiver process: where large objects go, and the limits.

    `memory` is how many bytes of memory its objects may take together; None leaves the default.
    """

    store: LargeObjects
    largest_object: int | None
    largest_pdu: int
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The first message of a receiver process: it accepts associations, and writes packets of this format."""

    packets: int = FORMAT


@dataclass(frozen=True, slots=True)
class Handover:
    """An association to serve, and the rights of its caller.

    Its socket and its channel come with it. `now` is the main process's time.
    """

    number: int
    handed: Handed
    caller: Caller
    granted: frozenset[Right]
    now: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends an association as soon as no message is under way."""

    number: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log record for the main process, which writes the log: the attributes of the record."""

    record: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ended:
    """The report about an association at its end. `fault` is the traceback of a bug of ours."""

    report: AssociationReport
    fault: str = ""


Message = Beginning | Ready | Handover | Stop | LogLine


def send(control: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send a message. Raises OSError."""
    data = frame(MESSAGE, encode_told(message))
    sent = socket.send_fds(control, [data], list(descriptors)) if descriptors else 0
    control.sendall(memoryview(data)[sent:])
