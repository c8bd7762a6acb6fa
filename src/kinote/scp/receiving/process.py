"""A receiver process: serves the associations handed to it, a thread for each, until the main process ends it."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections import deque
from functools import partial

from kinote.dimse.associations.association import Association
from kinote.dimse.associations.taking_over import taken_over
from kinote.intake.packets.frames import Frames
from kinote.intake.packets.handing_on import HandingOn, MainProcessLostError
from kinote.intake.packets.packet import decode_told
from kinote.memory.shared import MEMORY
from kinote.scp.associations import serving
from kinote.scp.associations.session import Session
from kinote.scp.receiving.messages import Beginning, Ended, Handover, LogLine, Ready, Stop, send
from kinote.telemetry.clock import ToldClock

#: Seconds in which associations are aborted when the main process is gone.
_ABORTING = 1.0

#: The most bytes of messages read at once, and the most descriptors that come with one.
_READ, _DESCRIPTORS = 64 * 1024, 2

#: For prctl(2): the signal that a process gets when the thread that started it ends.
_PR_SET_PDEATHSIG = 1


def run(control: int, parent: int) -> None:
    """Serve what arrives on the descriptor `control` until the process `parent` closes its end."""
    # The main process decides when to end: signals to a process group or service are for it alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_with(parent)
    with socket.socket(fileno=control) as opened:
        logging.basicConfig(level=logging.INFO, handlers=[_ToMain(opened)], force=True)
        _Process(opened).serve()
    # Threads of associations blocked in a write must not delay the end.
    os._exit(0)


def _end_with(parent: int) -> None:
    """Have the kernel end this process with the main process, if possible. Otherwise the closed socket does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The main process may have ended already.
    if os.getppid() != parent:
        os._exit(1)


class _ToMain(logging.Handler):
    """Sends log records to the main process, so that there is one log."""

    def __init__(self, control: socket.socket) -> None:
        super().__init__()
        self._control = control

    def emit(self, record: logging.LogRecord) -> None:
        told = {**record.__dict__, "msg": record.getMessage(), "args": None, "exc_info": None}
        if record.exc_info:
            told["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        try:
            send(self._control, LogLine(told))
        except Exception:
            # There is no other way to report this.
            self.handleError(record)


class _Process:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._frames = Frames()
        self._descriptors: deque[int] = deque()
        self._beginning: Beginning | None = None
        self._changed = threading.Condition()
        self._open: dict[int, Association] = {}

    def serve(self) -> None:
        while self._read():
            pass
        with self._changed:
            for association in self._open.values():
                association.end()
            self._changed.wait_for(lambda: not self._open, _ABORTING)

    def _read(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, _READ, _DESCRIPTORS)
        except OSError:
            return False
        self._descriptors += descriptors
        for _, content in self._frames.feed(memoryview(data)):
            self._take(decode_told(content))
        return bool(data)

    def _take(self, message: object) -> None:
        match message:
            case Beginning():
                self._beginning = message
                if message.memory is not None:
                    MEMORY.limit(message.memory)
                # What has been loaded stays to the end, so the garbage collector can skip it.
                gc.collect()
                gc.freeze()
                send(self._control, Ready())
            case Handover():
                self._begin(message)
            case Stop():
                with self._changed:
                    association = self._open.get(message.number)
                if association is not None:
                    association.stop()

    def _begin(self, handover: Handover) -> None:
        assert self._beginning is not None
        # Fewer descriptors arrive if this process has too many open. The channel is then closed with the message.
        if len(self._descriptors) < _DESCRIPTORS:
            while self._descriptors:
                os.close(self._descriptors.popleft())
            return
        sock = socket.socket(fileno=self._descriptors.popleft())
        channel = socket.socket(fileno=self._descriptors.popleft())
        association = taken_over(sock, handover.handed, largest_data=self._beginning.largest_pdu)
        way_in = HandingOn(channel, self._beginning.store, ToldClock(handover.now))
        with self._changed:
            self._open[handover.number] = association
        live = partial(self._live, handover, association, way_in)
        try:
            threading.Thread(target=live, name=f"dicom-{handover.caller.host}", daemon=True).start()
        except RuntimeError:
            # Out of threads: the main process serves the association itself.
            self._leave(handover.number, association, way_in)

    def _live(self, handover: Handover, association: Association, way_in: HandingOn) -> None:
        """Serve an association to its end, in its own thread."""
        assert self._beginning is not None
        number = handover.number
        session = Session(
            association, handover.caller, way_in, self._beginning.largest_object, handover.granted
        )
        try:
            way_in.begun()
        except MainProcessLostError:
            self._leave(number, association, way_in)
            return
        try:
            report, fault = serving.serve_to_end(session, serving.STORING)
            association.abort()
            association.close()
            told = "".join(traceback.format_exception(fault)) if fault is not None else ""
            way_in.ended(Ended(report, told))
        finally:
            self._leave(number, association, way_in)

    def _leave(self, number: int, association: Association, way_in: HandingOn) -> None:
        """Close what is still open. The peer gets no message."""
        association.leave()
        way_in.close()
        with self._changed:
            del self._open[number]
            self._changed.notify_all()
