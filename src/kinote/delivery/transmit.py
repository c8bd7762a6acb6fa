"""Sends files and objects to another application entity, on several associations at once."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from kinote.delivery.files import UnsendableFileError, sendable_file
from kinote.delivery.going_on import GoingOn
from kinote.delivery.ledger import Record, unrecorded
from kinote.delivery.outgoing import Sendable
from kinote.delivery.sending import ProposedStorage, Sender, Sent, grouped
from kinote.dimse import statuses
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.errors import DimseError
from kinote.media.sources import Refusal, Source
from kinote.peers.reaching.calling import Caller

#: The number of files read before their association is opened.
_TOGETHER = 2000

#: The most results that wait to be consumed, and the interval in seconds at which a waiting sender checks for the end.
_UNTOLD, _LOOK_WHETHER_CLOSED = 50, 0.5


@dataclass(frozen=True, slots=True)
class SentObject:
    """The outcome of a file or object. `sent` is None if there was nothing to send."""

    name: str
    sent: Sent | None
    reason: str


def send(call: Caller, files: Iterable[Source | Refusal], associations: int = 1) -> Iterator[SentObject]:
    """Send files by C-STORE, on up to `associations` associations. Yield the outcome of each when it is known.

    If an association cannot be opened or ends early, the files that were to use it have failed.
    """
    remaining = iter(files)
    while looked_into := list(islice(remaining, _TOGETHER)):
        names: dict[int, str] = {}
        found: list[Sendable] = []
        for file in looked_into:
            reason = file.reason if isinstance(file, Refusal) else ""
            if isinstance(file, Source):
                try:
                    found.append(sendable_file(file.open))
                    names[id(found[-1])] = file.name
                except UnsendableFileError as error:
                    reason = str(error)
            if reason:
                yield SentObject(file.name, None, reason)
        for wanted, sent in _send(call, found, associations):
            yield SentObject(names[id(wanted)], sent, sent.reason)


def send_objects(
    call: Caller, objects: Sequence[Sendable], associations: int = 1, record: Record = unrecorded
) -> Iterator[SentObject]:
    """Send objects in the same way, each identified by its SOP Instance UID. `record` is told each state at the
    receiver.
    """
    for wanted, sent in _send(call, objects, associations, record):
        yield SentObject(wanted.sop_instance_uid, sent, sent.reason)


def send_in_order(
    call: Caller,
    objects: Sequence[Sendable],
    associations: int = 1,
    record: Record = unrecorded,
    *,
    syntaxes: Collection[str] = (),
) -> Generator[Sent, None, None]:
    """Send objects, and yield the outcome of each when it is known.

    `syntaxes` are the transfer syntaxes that may be used; empty for any. Nothing more is sent once the generator is
    closed.
    """
    for contexts, group in grouped(objects, syntaxes):
        sending = _send_group(call, contexts, group, associations, record)
        try:
            for _, sent in sending:
                yield sent
        finally:
            sending.close()


def _send(
    call: Caller, objects: Sequence[Sendable], associations: int, record: Record = unrecorded
) -> Iterator[tuple[Sendable, Sent]]:
    for contexts, group in grouped(objects):
        yield from _send_group(call, contexts, group, associations, record)


def _send_group(
    call: Caller,
    contexts: Sequence[ProposedStorage],
    group: Sequence[Sendable],
    associations: int,
    record: Record,
) -> Generator[tuple[Sendable, Sent], None, None]:
    """Send objects that share their presentation contexts. Each association takes the next waiting one.

    Sending is limited by the consumer: only a few outcomes are waiting. Nothing more is sent once the generator is
    closed.

    Further associations are requested after the first is accepted. A receiver with a low limit may count those that it
    is about to reject: if they were requested together, it would reject all.
    """
    count = min(associations, len(group))
    waiting = _Waiting(group, count)
    is_answered = threading.Event()
    results: queue.Queue[tuple[Sendable, Sent]] = queue.Queue(_UNTOLD)
    is_closed = threading.Event()

    def tell(result: tuple[Sendable, Sent]) -> None:
        while not is_closed.is_set():
            try:
                results.put(result, timeout=_LOOK_WHETHER_CLOSED)
                break
            except queue.Full:
                continue

    def send_first() -> None:
        try:
            _send_waiting(call, contexts, waiting, tell, record, is_answered.set)
        finally:
            is_answered.set()

    def send_further() -> None:
        is_answered.wait()
        _send_waiting(call, contexts, waiting, tell, record)

    threads = [
        threading.Thread(target=send_further if number else send_first, daemon=True)
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in group:
            yield results.get()
    finally:
        is_closed.set()
        waiting.close()
    for thread in threads:
        thread.join()


class _Waiting:
    """Objects waiting to be sent by several threads.

    Each thread leaves once: when nothing waits, or when it cannot send. What the last one leaves behind is not sent.
    """

    def __init__(self, objects: Iterable[Sendable], threads: int) -> None:
        self._objects = deque(objects)
        self._threads = threads
        self._lock = threading.Lock()

    def close(self) -> None:
        """Discard what waits: each thread ends with its current object."""
        with self._lock:
            self._objects.clear()

    def has_left(self) -> bool:
        """Return whether nothing waits; then the calling thread has left."""
        with self._lock:
            if not self._objects:
                self._threads -= 1
            return not self._objects

    def next_or_leave(self) -> Sendable | None:
        """Take the next object. If there is none, the calling thread has left."""
        with self._lock:
            if self._objects:
                return self._objects.popleft()
            self._threads -= 1
            return None

    def give_up(self, in_hand: Sendable | None) -> list[Sendable]:
        """Leave, and give back an object. Return the objects that nobody will send: none while other threads can."""
        with self._lock:
            self._threads -= 1
            if in_hand is not None:
                self._objects.appendleft(in_hand)
            if self._threads:
                return []
            left = list(self._objects)
            self._objects.clear()
            return left


def _send_waiting(
    call: Caller,
    contexts: Sequence[ProposedStorage],
    waiting: _Waiting,
    tell: Callable[[tuple[Sendable, Sent]], None],
    record: Record,
    begun: Callable[[], None] = lambda: None,
) -> None:
    """Send what waits on one association. If it ends at an object, the others go over another one.

    So does this object, unless it was the first. If no association can be opened, what waits is left to the other
    threads; the last one reports the failures. `begun` is called when an association is open.
    """
    going_on = GoingOn()
    wanted: Sendable | None = None
    while wanted is not None or not waiting.has_left():
        is_begun = is_done = False
        try:
            with association(call.peer, call.title, Proposal(contexts), tls=call.tls) as opened:
                is_begun = True
                begun()
                going_on.begun()
                sender = Sender(opened, record=record)
                while (wanted := wanted or waiting.next_or_leave()) is not None:
                    sent = sender.send(wanted)
                    going_on.answered()
                    tell((wanted, sent))
                    wanted = None
                is_done = True
        except Exception as error:  # whatever it is: the outcome of each object is awaited
            if is_done:
                return
            if is_begun and wanted is not None:
                if going_on.is_offered_again(error):
                    continue
                tell((wanted, _failed(wanted, error)))
                wanted = None
                if isinstance(error, DimseError) and going_on.after(error):
                    continue
            for left in waiting.give_up(wanted):
                tell((left, _failed(left, error, was_offered=False)))
            return
        return


def _failed(wanted: Sendable, error: Exception, *, was_offered: bool = True) -> Sent:
    return Sent("failed", wanted.sop_instance_uid, str(error), statuses.PROCESSING_FAILURE, was_offered)
