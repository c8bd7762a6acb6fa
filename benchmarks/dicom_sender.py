"""The sender of the measurements of DICOM intake, in a process of its own: it costs next to nothing.

    python -m benchmarks.dicom_sender PORT AE_TITLE KIND FIRST OBJECTS ASSOCIATIONS SECONDS

All objects are in memory, as the bytes of their messages, before the clock starts. Then each association sends
its share: a message in one write, then its answer. Nagle's algorithm is off; acknowledgements are left to the
system, as with other people's senders: a receiver that is slow by its own writes is to be seen as such. What
is refused is sent again and counted (dcmqrscp loses some of what comes over several associations at once: their
files' names collide); what has not been sent after so many seconds is left. Prints objects sent, objects refused
and seconds taken as JSON.
"""

from __future__ import annotations

import gc
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.objects import image, key_object
from benchmarks.subjects import CT, KOS
from benchmarks.uids import ROOT
from kinote.dicom.files.part10 import read_file_meta
from kinote.dimse.command_sets.coding import encode_command
from kinote.dimse.commands import CStoreRequest
from kinote.dimse.protocol.pdu import (
    HEAD,
    AssociateAccept,
    AssociateRequest,
    DataTransfer,
    PresentationData,
    ProposedContext,
    ReleaseRequest,
    decode,
    encode,
)
from kinote.dimse.protocol.user_information import UserInformation

#: What is sent, by the names they have in the tables.
KINDS: dict[str, Callable[[int], bytes]] = {
    "CT 512 KB": image,
    "CT 20 KB": partial(image, size=96),
    "KOS 2 KB": key_object,
}

_EXPLICIT = "1.2.840.10008.1.2.1"
_CONTEXTS = {CT: 1, KOS: 3}
_LARGEST_PDU = 131_072
_VALUE_HEAD = 6

#: Status (0000,0900) 0000H as it stands in a response: success.
_SUCCESS = bytes.fromhex("0000 0009 02000000 0000")

#: Seconds after which a receiver that says nothing is given up.
_TIMEOUT = 120

#: How often an object is sent before its receiver is given up.
_TIMES = 5

_CLASS, _INSTANCE = 0x00020002, 0x00020003


class Sender:
    """An association, and the messages it is to send."""

    def __init__(self, port: int, called_ae_title: str, files: Sequence[bytes]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fragment = (self._associate(called_ae_title) or _LARGEST_PDU) - _VALUE_HEAD
        self._messages = [message(file, number, fragment) for number, file in enumerate(files, start=1)]

    def send_until(self, deadline: float) -> tuple[int, int]:
        """Send one object after the other: how many were stored, and how often one was refused before it was.

        Raises `RuntimeError` for an object that is refused time and again.
        """
        refused = 0
        for number, each in enumerate(self._messages):
            if time.monotonic() > deadline:
                return number, refused
            refused += self._send(each)
        return len(self._messages), refused

    def _send(self, each: bytes) -> int:
        """Send an object until it is stored; how often it was refused."""
        for refused in range(_TIMES):
            self._socket.sendall(each)
            answer = self._pdu()
            if _SUCCESS in answer:
                return refused
        raise RuntimeError(f"An object was not simply stored: {answer!r}")

    def release(self) -> None:
        self._socket.sendall(encode(ReleaseRequest()))
        self._pdu()
        self._socket.close()

    def _associate(self, called_ae_title: str) -> int:
        """Open the association; the longest PDU that the receiver takes, 0 without a limit."""
        contexts = tuple(ProposedContext(number, uid, (_EXPLICIT,)) for uid, number in _CONTEXTS.items())
        own = UserInformation(maximum_length=_LARGEST_PDU, implementation_class_uid=f"{ROOT}.9")
        self._socket.sendall(encode(AssociateRequest(called_ae_title, "SENDER", contexts, own)))
        answer = self._pdu()
        accepted = decode(answer[0], answer[HEAD.size :])
        if not isinstance(accepted, AssociateAccept) or any(each.result for each in accepted.contexts):
            raise RuntimeError(f"The receiver does not accept: {accepted}")
        return accepted.user_information.maximum_length

    def _pdu(self) -> bytes:
        """The next PDU, whole. Answers are short: they come in one piece, or a few."""
        data = self._more(b"", HEAD.size)
        return self._more(data, HEAD.size + HEAD.unpack_from(data)[1])

    def _more(self, data: bytes, size: int) -> bytes:
        while len(data) < size:
            came = self._socket.recv(_LARGEST_PDU)
            if not came:
                raise RuntimeError("The receiver has closed the connection")
            data += came
        return data


def message(file: bytes, number: int, fragment: int) -> bytes:
    """A file as C-STORE-RQ (PS3.7 9.3.1.1): its PDUs, with so many bytes of the data set in each."""
    found = read_file_meta(file)
    assert found.meta is not None
    class_uid, instance_uid = (found.meta.text(tag) or "" for tag in (_CLASS, _INSTANCE))
    request = CStoreRequest(
        message_id=number % 0xFFFF + 1,
        affected_sop_class_uid=class_uid,
        affected_sop_instance_uid=instance_uid,
        has_data_set=True,
    )
    context = _CONTEXTS[class_uid]
    pieces = [encode(DataTransfer((PresentationData(context, True, True, encode_command(request)),)))]
    data = memoryview(file)[found.dataset_offset :]
    for at in range(0, len(data), fragment):
        is_last = at + fragment >= len(data)
        value = PresentationData(context, False, is_last, data[at : at + fragment])
        pieces.append(encode(DataTransfer((value,))))
    return b"".join(pieces)


def send(port: int, called_ae_title: str, files: Sequence[bytes], associations: int, seconds: float) -> None:
    """Send files over so many associations, and print what became of it."""
    senders = [Sender(port, called_ae_title, files[at::associations]) for at in range(associations)]
    together = threading.Barrier(associations + 1)

    def run(sender: Sender) -> tuple[int, int]:
        together.wait()
        return sender.send_until(time.monotonic() + seconds)

    # Collecting garbage would look through all that was prepared.
    gc.disable()
    with ThreadPoolExecutor(associations) as pool:
        running = [pool.submit(run, sender) for sender in senders]
        together.wait()
        begun = time.perf_counter()
        sent, refused = map(sum, zip(*(each.result() for each in running), strict=True))
        taken = time.perf_counter() - begun
    for sender in senders:
        sender.release()
    print(json.dumps({"sent": sent, "refused": refused, "seconds": taken}))


if __name__ == "__main__":
    receiver, title, kind, *numbers = sys.argv[1:]
    first, objects, over, limit = map(int, numbers)
    made = [KINDS[kind](number) for number in range(first, first + objects)]
    send(int(receiver), title, made, over, limit)
