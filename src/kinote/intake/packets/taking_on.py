"""The main process's end of all channels: packets become arrivals, and their outcomes are answered.

One thread reads all channels and passes objects to the committer; it waits for nobody. Answers are written by
whoever settles an object, also without waiting: what a channel does not accept at once, the thread sends later.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections import Counter
from concurrent.futures import Future
from functools import partial

from kinote.intake.arrival import Arrival
from kinote.intake.outcome import OUT_OF_RESOURCES, PROCESSING_FAILURE, Outcome, refused
from kinote.intake.packets.frames import BrokenChannelError, Frames, Kind, frame
from kinote.intake.packets.packet import (
    NotUnderstoodError,
    decode_packet,
    decode_told,
    encode_answer,
)
from kinote.intake.receiver import Receiver
from kinote.security.origins import Origin
from kinote.storage.store import StorageError

log = logging.getLogger(__name__)

#: How many bytes are read from a channel before another one has its turn.
_TURN = 256 * 1024


class Channel:
    """The main process's end of the channel of one association.

    `told` is the receiver process's report on its end, None if there was none. `done` counts objects by their
    outcome. `origin` is where its objects come from, as far as that is known.
    """

    def __init__(self, sock: socket.socket, origin: Origin | None) -> None:
        self.socket = sock
        self.origin = origin
        self.frames = Frames()
        self.done: Counter[tuple[str, str]] = Counter()
        self.told: object = None
        #: The key of the file that is being received.
        self.unfinished: str | None = None
        self.has_begun = False
        self.has_ended = False
        self._changed = threading.Condition()
        #: Bytes that could not be sent yet.
        self._outgoing = bytearray()
        self._is_closed = False

    def wait_for_begin(self, seconds: float) -> bool:
        """Return whether the association is being served within this time."""
        with self._changed:
            self._changed.wait_for(lambda: self.has_begun or self.has_ended, seconds)
            return self.has_begun

    def wait_for_end(self) -> None:
        """Wait for the end of the association. All its frames have been read then."""
        with self._changed:
            self._changed.wait_for(lambda: self.has_ended)

    # --- by the thread of the channels --------------------------------------------------------------

    def begun(self) -> None:
        with self._changed:
            self.has_begun = True
            self._changed.notify_all()

    def ended(self, poll: select.epoll) -> None:
        with self._changed:
            self._is_closed = True
            poll.unregister(self.socket)
            self.socket.close()
            self.has_ended = True
            self._changed.notify_all()

    def send(self, data: bytes, poll: select.epoll) -> None:
        """Send what is possible without waiting. The thread of the channels sends the rest. For any thread."""
        with self._changed:
            if self._is_closed:
                return
            if not self._outgoing:
                data = data[self._sent(data) :]
            if data:
                if not self._outgoing:
                    poll.modify(self.socket, select.EPOLLIN | select.EPOLLOUT)
                self._outgoing += data

    def send_more(self, poll: select.epoll) -> None:
        """Send more, now that the channel accepts data again."""
        with self._changed:
            if self._outgoing:
                del self._outgoing[: self._sent(self._outgoing)]
            if not self._outgoing:
                poll.modify(self.socket, select.EPOLLIN)

    def _sent(self, data: bytes | bytearray) -> int:
        """Send, and return how many bytes went out. All count as sent if the other end is closed."""
        try:
            return self.socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return 0
        except OSError:
            # The thread also reads the end of the channel, and handles it.
            return len(data)


class Channels:
    """All channels, and the thread that reads them. `close` ends those that are still open."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._poll = select.epoll()
        self._wake, self._waker = socket.socketpair()
        self._poll.register(self._waker, select.EPOLLIN)
        self._channels: dict[int, Channel] = {}
        self._buffer = memoryview(bytearray(_TURN))
        self._thread = threading.Thread(target=self._run, name="intake-channels", daemon=True)
        self._thread.start()

    def open(self, origin: Origin | None = None) -> tuple[Channel, socket.socket]:
        """Return a new channel and its other end, which the caller passes to a receiver process and then closes.

        What is refused here because it could not be read is said to come from `origin`.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        channel = Channel(ours, origin)
        number = ours.fileno()
        self._channels[number] = channel
        self._poll.register(number, select.EPOLLIN)
        return channel, theirs

    def close(self) -> None:
        self._wake.close()
        self._thread.join()
        for number, channel in list(self._channels.items()):
            self._end(number, channel)
        self._poll.close()
        self._waker.close()

    def _run(self) -> None:
        while True:
            for number, events in self._poll.poll():
                if number == self._waker.fileno():
                    return
                channel = self._channels[number]
                try:
                    if events & select.EPOLLOUT:
                        channel.send_more(self._poll)
                    if events & ~select.EPOLLOUT:
                        self._read(number, channel)
                except Exception:
                    log.exception("A channel to a receiver process failed")
                    self._end(number, channel)

    def _read(self, number: int, channel: Channel) -> None:
        try:
            count = channel.socket.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self._end(number, channel)
            return
        try:
            for kind, content in channel.frames.feed(self._buffer[:count]):
                self._take(channel, kind, content)
        except BrokenChannelError:
            log.exception("A receiver process says what cannot be understood; its association ends")
            self._end(number, channel)

    def _end(self, number: int, channel: Channel) -> None:
        """Handle the end of a channel: the receiver process has closed it or died, with or without a report on the
        association."""
        del self._channels[number]
        if channel.unfinished is not None:
            self._receiver.set_aside_unfinished(channel.unfinished)
        channel.ended(self._poll)

    def _take(self, channel: Channel, kind: int, content: memoryview) -> None:
        match kind:
            case Kind.PACKET:
                self._take_packet(channel, content)
            case Kind.RECEIVING:
                channel.unfinished = str(content, "ascii")
            case Kind.BEGUN:
                channel.begun()
            case Kind.REFUSED:
                refusal = decode_told(content)
                if isinstance(refusal, Outcome):
                    # Whoever refused it has removed its bytes.
                    channel.unfinished = None
                    channel.done["store", refusal.kind] += 1
                    self._receiver.observe(refusal)
            case Kind.ENDED:
                channel.unfinished = None
                channel.told = decode_told(content)
            case _:
                raise BrokenChannelError(f"Frames of kind {kind} are unknown")

    def _take_packet(self, channel: Channel, content: memoryview) -> None:
        """Take one object, whatever is wrong with its packet (law 5)."""
        try:
            arrival = decode_packet(content, self._receiver)
        except NotUnderstoodError as error:
            log.exception("A packet was not understood; its object is refused")
            if channel.unfinished is not None:
                self._receiver.set_aside_unfinished(channel.unfinished)
            self._refuse(channel, PROCESSING_FAILURE, f"The object could not be handed on: {error}")
        except StorageError as error:
            self._refuse(channel, OUT_OF_RESOURCES, str(error))
        else:
            self._commit(channel, arrival)
        channel.unfinished = None

    def _commit(self, channel: Channel, arrival: Arrival) -> None:
        arrival.done.add_done_callback(partial(self._answer, channel))
        # The receiver process has synced the bytes that are in a file.
        self._receiver.commit(arrival, sync_here=True)

    def _refuse(self, channel: Channel, status: int, reason: str) -> None:
        refusal = refused(status, reason)
        self._receiver.observe(refusal if channel.origin is None else refusal.sent_by(channel.origin))
        done: Future[Outcome] = Future()
        done.set_result(refusal)
        self._answer(channel, done)

    def _answer(self, channel: Channel, done: Future[Outcome]) -> None:
        outcome = done.result()
        channel.done["store", outcome.kind] += 1
        answer = encode_answer(outcome, self._receiver.clock())
        channel.send(frame(Kind.ANSWER, answer), self._poll)
