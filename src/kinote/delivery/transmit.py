"""Sending files and objects to another application entity, on several associations at once."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from kinote.delivery.files import UnsendableFileError, sendable_file
from kinote.delivery.going_on import GoingOn
from kinote.delivery.ledger import Record, unrecorded
from kinote.delivery.outgoing import Sendable
from kinote.delivery.sending import ProposedStorage, Sender, Sent, grouped
from kinote.dimse import statuses
from kinote.dimse.errors import DimseError
from kinote.dimse.requestor import Proposal, association
from kinote.media.sources import Refusal, Source
from kinote.peers.calling import Caller

#: Files that are looked into before their association is opened.
_TOGETHER = 2000


@dataclass(frozen=True, slots=True)
class SentObject:
    """What became of a file or of an object; `sent` is None where there was nothing that could be sent."""

    name: str
    sent: Sent | None
    reason: str


def send(call: Caller, files: Iterable[Source | Refusal], associations: int = 1) -> Iterator[SentObject]:
    """C-STORE of files, on so many associations at once; what became of each, as it comes about.

    An association that does not come about, or ends early, is a failure of the files that were to go over it.
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
    """The same of objects, each by its SOP Instance UID. `record` is told how each stands with the receiver."""
    for wanted, sent in _send(call, objects, associations, record):
        yield SentObject(wanted.sop_instance_uid, sent, sent.reason)


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
) -> Iterator[tuple[Sendable, Sent]]:
    """Send objects that share their presentation contexts, each association taking the next that waits."""
    waiting = deque(group)
    results: queue.SimpleQueue[tuple[Sendable, Sent]] = queue.SimpleQueue()
    threads = [
        threading.Thread(
            target=_send_waiting, args=(call, contexts, waiting, results.put, record), daemon=True
        )
        for _ in range(min(associations, len(group)))
    ]
    for thread in threads:
        thread.start()
    for _ in group:
        yield results.get()
    for thread in threads:
        thread.join()


def _send_waiting(
    call: Caller,
    contexts: Sequence[ProposedStorage],
    waiting: deque[Sendable],
    tell: Callable[[tuple[Sendable, Sent]], None],
    record: Record,
) -> None:
    """On one association send what waits. Where it ends at an object, the others go over another one.

    If none comes about, what waits then has failed with it.
    """
    wanted: Sendable | None = None
    going_on = GoingOn()
    is_to_go_on = True
    while is_to_go_on:
        is_to_go_on = False
        try:
            with association(call.peer, call.title, Proposal(contexts), tls=call.tls) as opened:
                sender = Sender(opened, record=record)
                while (wanted := _next(waiting)) is not None:
                    sent = sender.send(wanted)
                    going_on.answered()
                    tell((wanted, sent))
                    wanted = None
        except Exception as error:  # Whatever it is: what became of each object is waited for.
            if wanted is not None and isinstance(error, DimseError) and going_on.after(error):
                tell((wanted, _failed(wanted, error)))
                wanted = None
                is_to_go_on = bool(waiting)
                continue
            while (wanted := wanted or _next(waiting)) is not None:
                tell((wanted, _failed(wanted, error)))
                wanted = None


def _failed(wanted: Sendable, error: Exception) -> Sent:
    return Sent("failed", wanted.sop_instance_uid, str(error), statuses.PROCESSING_FAILURE)


def _next(waiting: deque[Sendable]) -> Sendable | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None
