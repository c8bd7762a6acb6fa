"""The receiver processes, seen from the main process: started, restarted, handed associations, ended.

An association that a receiver process serves keeps a thread here, which waits for its end. Limits, log and metrics are
therefore the same as for associations served here. Its socket also stays open here, to tell the peer if the receiver
process dies.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import kinote
from kinote.dimse.associations.acceptor import Caller
from kinote.dimse.associations.association import Association
from kinote.holdings.health import Alert
from kinote.intake.packets.frames import BrokenChannelError, Frames
from kinote.intake.packets.packet import FORMAT, NotUnderstoodError, decode_told
from kinote.intake.packets.taking_on import Channel, Channels
from kinote.scp.associations import metrics
from kinote.scp.associations.report import AssociationReport
from kinote.scp.associations.session import peer
from kinote.scp.receiving.messages import (
    Beginning,
    Ended,
    Handover,
    LogLine,
    Message,
    Ready,
    Stop,
    send,
)
from kinote.security.origins import Interface, Origin
from kinote.security.rights import Right
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: The command of a receiver process. It imports nothing from the current folder.
PROGRAM: Sequence[str] = (sys.executable, "-P", "-m", "kinote.scp.receiving")

#: Seconds in which a receiver process must take an association handed to it. Otherwise it is stuck.
_STUCK = 10.0

#: Seconds until one must be ready, and until one must have ended.
_STARTING = 60.0
_ENDING = 1.0

#: Seconds before one that has died is started again: doubled each time, up to the second value.
_BACKOFF, _LONGEST_BACKOFF = 0.5, 60.0

#: One that lived for this many seconds was healthy: its death counts as a first one.
_WELL = 60.0

_READ = 64 * 1024

_DIED = "The receiver process that served it has died"


class _Process:
    """A receiver process, from its start to its end."""

    def __init__(self, program: Sequence[str], inherited: Sequence[int], beginning: Beginning) -> None:
        self.control, theirs = socket.socketpair()
        self.frames = Frames()
        self.begun_at = time.monotonic()
        self.is_ready = False
        self.busy = 0
        self._sending = threading.Lock()
        with theirs:
            try:
                self._popen = subprocess.Popen(
                    [*program, str(theirs.fileno()), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), *inherited),
                    env=_environment(),
                )
            except OSError:
                self.control.close()
                raise
        # One that does not read must not block anybody.
        self.control.settimeout(_STUCK)
        self.tell(beginning)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def tell(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send a message. If the process has died, nothing happens: that is noticed elsewhere."""
        with self._sending:
            try:
                send(self.control, message, descriptors)
            except TimeoutError:
                # It may have received a part, and would misread everything after that.
                self._popen.kill()
            except OSError:
                return

    def kill(self) -> None:
        self._popen.kill()

    def wind_up(self) -> int:
        """Release the resources of a process that has ended or must end. Return its exit code."""
        self._popen.kill()
        code = self._popen.wait()
        with self._sending:
            self.control.close()
        return code

    def end(self) -> None:
        """Tell it to end."""
        if not self.is_ready:
            # The closed connection would reach it later.
            self._popen.kill()
        with self._sending, contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)

    def wait(self, until: float) -> None:
        """Wait until it has ended, or until this time."""
        try:
            self._popen.wait(max(until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            log.warning("A receiver process did not end in time", extra={"receiver": self.pid})


class _Place:
    """A place for one receiver process."""

    def __init__(self) -> None:
        self.process: _Process | None = None
        #: How often it has died in a row, and when it is started again.
        self.deaths = 0
        self.due = 0.0

    @property
    def ready(self) -> _Process | None:
        return self.process if self.process is not None and self.process.is_ready else None


class ReceiverProcesses:
    """A fixed number of receiver processes, controlled by one thread.

    Call `close` when no association is open any more. It may be called again.
    """

    def __init__(
        self,
        number: int,
        channels: Channels,
        beginning: Beginning,
        clock: Clock,
        *,
        inherited: Sequence[int] = (),
        program: Sequence[str] = (),
    ) -> None:
        self._channels = channels
        self._beginning = beginning
        self._clock = clock
        self._inherited = inherited
        self._program = program or PROGRAM
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._places = [_Place() for _ in range(number)]
        self._is_closing = False
        self._wake, self._waker = socket.socketpair()
        # The kernel ends a process with the thread that started it, so this thread lives as long as they do.
        self._thread = threading.Thread(target=self._run, name="receiver-processes", daemon=True)
        self._thread.start()

    # --- associations -------------------------------------------------------------------------------

    def serve(self, association: Association, caller: Caller, granted: frozenset[Right]) -> Ended | None:
        """Have an association served to its end. `granted` are the rights of its caller. Return None if no process
        takes it.
        """
        with self._changed:
            process = min(
                filter(None, (place.ready for place in self._places)),
                key=lambda each: each.busy,
                default=None,
            )
            if process is None:
                return None
            process.busy += 1
        begun = time.monotonic()
        try:
            channel = self._hand_over(process, association, caller, granted)
            if channel is None:
                return None
            channel.wait_for_end()
        finally:
            with self._changed:
                process.busy -= 1
        if isinstance(channel.told, Ended):
            association.ended_elsewhere()
            return channel.told
        association.take_back()
        seconds = time.monotonic() - begun
        return Ended(AssociationReport.said(association, caller, channel.done, seconds, _DIED))

    def _hand_over(
        self, process: _Process, association: Association, caller: Caller, granted: frozenset[Right]
    ) -> Channel | None:
        """Hand over an association. Return its channel; None if no process serves it."""
        number = next(self._numbers)
        try:
            sender = peer(association.request.calling_ae_title, caller)
            channel, theirs = self._channels.open(Origin(Interface.C_STORE, sender))
        except OSError:
            log.warning("There are no descriptors for a channel to a receiver process", exc_info=True)
            return None
        with theirs:
            handed = association.hand_over(partial(process.tell, Stop(number)))
            message = Handover(number, handed, caller, granted, self._clock())
            process.tell(message, [association.descriptor, theirs.fileno()])
        if channel.wait_for_begin(_STUCK):
            return channel
        # Two must not serve it: only when the process has ended is it certain whether it had taken the association.
        if not channel.has_ended:
            log.error("A receiver process is stuck, and is ended", extra={"receiver": process.pid})
            process.kill()
            channel.wait_for_end()
        if channel.has_begun:
            return channel
        association.take_back()
        return None

    # --- processes ----------------------------------------------------------------------------------

    @property
    def pids(self) -> list[int]:
        """The receiver processes that are ready."""
        with self._changed:
            return [process.pid for place in self._places if (process := place.ready)]

    def wait_until_ready(self, seconds: float) -> bool:
        """Return whether all are ready within this time."""
        with self._changed:
            return self._changed.wait_for(lambda: all(place.ready for place in self._places), seconds)

    def alerts(self) -> list[Alert]:
        """Return the alerts about those that have died and are not ready again."""
        with self._changed:
            dead = sum(place.deaths > 0 and place.ready is None for place in self._places)
        if not dead:
            return []
        return [
            Alert(
                "RECEIVER_PROCESS_DOWN",
                f"{dead} of {len(self._places)} receiver processes died and are to be begun again. Objects are taken "
                "in all the same, more slowly. If it does not pass, the log says what they ended with.",
            )
        ]

    def close(self) -> None:
        with self._changed:
            if self._is_closing:
                return
            self._is_closing = True
        self._wake.send(b"\0")
        self._thread.join()
        self._wake.close()
        self._waker.close()
        self._channels.close()

    def _run(self) -> None:
        while not self._is_closing:
            for place in self._places:
                self._see_to(place)
            self._wait()
        processes = [place.process for place in self._places if place.process is not None]
        for process in processes:
            process.end()
        until = time.monotonic() + _ENDING
        for process in processes:
            process.wait(until)
            process.wind_up()
        with self._changed:
            self._places = []
        metrics.observe_receivers(0)

    def _see_to(self, place: _Place) -> None:
        """Start the process if that is due, and end one that does not get ready."""
        now = time.monotonic()
        if place.process is None:
            if now >= place.due:
                self._begin(place)
        elif not place.process.is_ready and now - place.process.begun_at > _STARTING:
            log.error("A receiver process does not get ready, and is ended")
            place.process.kill()

    def _begin(self, place: _Place) -> None:
        try:
            process = _Process(self._program, self._inherited, self._beginning)
        except OSError as error:
            self._missing(place, f"cannot be begun: {error.strerror}", lived=0)
            return
        with self._changed:
            place.process = process

    def _wait(self) -> None:
        """Wait for messages, until something is due."""
        by_number = {place.process.control.fileno(): place for place in self._places if place.process}
        poll = select.poll()
        poll.register(self._waker, select.POLLIN)
        for number in by_number:
            poll.register(number, select.POLLIN)
        for number, _ in poll.poll(self._until_due() * 1000):
            if number in by_number:
                self._read(by_number[number])

    def _until_due(self) -> float:
        """Return the seconds until something is due."""
        now = time.monotonic()
        due = [
            place.due if place.process is None else place.process.begun_at + _STARTING
            for place in self._places
            if place.ready is None
        ]
        return max(min(due) - now, 0) + 0.01 if due else 3600

    def _read(self, place: _Place) -> None:
        process = place.process
        assert process is not None
        try:
            data = process.control.recv(_READ)
            for _, content in process.frames.feed(memoryview(data)):
                self._take(process, decode_told(content))
        except (OSError, BrokenChannelError, NotUnderstoodError):
            data = b""
        if not data:
            code = process.wind_up()
            with self._changed:
                place.process = None
            self._missing(place, f"has ended with {code}", lived=time.monotonic() - process.begun_at)

    def _take(self, process: _Process, message: object) -> None:
        match message:
            case Ready():
                if message.packets != FORMAT:
                    # The program was replaced while this process ran.
                    raise NotUnderstoodError(f"Packets of format {message.packets}")
                with self._changed:
                    process.is_ready = True
                    self._changed.notify_all()
                self._observe()
            case LogLine():
                record = logging.makeLogRecord(dict(message.record))
                logger = logging.getLogger(record.name)
                if logger.isEnabledFor(record.levelno):
                    logger.handle(record)

    def _missing(self, place: _Place, what: str, *, lived: float) -> None:
        place.deaths = 1 if lived >= _WELL else place.deaths + 1
        seconds = min(_BACKOFF * 2 ** (place.deaths - 1), _LONGEST_BACKOFF)
        place.due = time.monotonic() + seconds
        metrics.observe_receiver_end()
        self._observe()
        log.error(
            f"A receiver process {what}; the associations that it served are lost, and it is begun again",
            extra={"times": place.deaths, "after_seconds": seconds},
        )

    def _observe(self) -> None:
        metrics.observe_receivers(len(self.pids))


def _environment() -> dict[str, str]:
    """Return our environment, and where this program was found."""
    found = str(Path(kinote.__file__).parents[1])
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([found, others]) if others else found}
