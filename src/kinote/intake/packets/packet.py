"""The packet of an object from a receiver process, and its answer.

A packet is a byte with its format, and a pickle. Pickles are safe here: both ends are processes of one installation
and one user, over a socket that nobody else can open, so neither can make the other do anything that it could not
do itself. Nothing that comes from outside is ever unpickled: packets contain it as bytes and text.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from kinote.catalog.instances.entry import InstanceEntry
from kinote.intake.arrival import Arrival
from kinote.intake.outcome import Outcome
from kinote.keyobject.reading import Reading
from kinote.storage.store import Incoming
from kinote.storage.stores import SMALL

#: The format of packets and answers. A receiver process from before an upgrade may use another one.
FORMAT = 1

_PROTOCOL = 5


class NotUnderstoodError(ValueError):
    """A packet or an answer cannot be read."""


class TakesOver(Protocol):
    """Takes over the objects of packets."""

    def take_over(self, key: str) -> Incoming:
        """Return the finished file with that key. Raises `StorageError`."""

    def receive_small(self) -> Incoming:
        """Begin a small object."""


def encode_packet(arrival: Arrival) -> bytes:
    """Return the packet of an object. If the object has a file, that is finished."""
    file = arrival.file
    key = content = None
    if file is not None and file.key is not None:
        key = file.key
    elif file is not None:
        content = file.read_back(0, SMALL)
    reading = arrival.reading
    if reading is not None and reading.dataset is not None:
        # Filing needs nothing of the reading except this.
        reading = replace(reading, dataset=None)
    return _encoded((arrival.entry, arrival.dataset_offset, key, content, arrival.dataset, reading))


def decode_packet(packet: memoryview, takes_over: TakesOver) -> Arrival:
    """Return the object of a packet. Raises `NotUnderstoodError`, or `StorageError` if its file does not exist."""
    try:
        entry, dataset_offset, key, content, dataset, reading = _decoded(packet)
    except (TypeError, ValueError) as error:
        raise NotUnderstoodError(str(error)) from error
    if not (
        isinstance(entry, InstanceEntry)
        and isinstance(dataset_offset, int)
        and isinstance(key, str | None)
        and isinstance(content, bytes | None)
        and isinstance(dataset, bytes | None)
        and isinstance(reading, Reading | None)
        and [key, content, dataset].count(None) == 2
    ):
        raise NotUnderstoodError("A packet has not what makes an object")
    arrival = Arrival(entry, dataset_offset=dataset_offset, dataset=dataset, reading=reading)
    if key is not None:
        arrival.file = takes_over.take_over(key)
    elif content is not None:
        arrival.file = takes_over.receive_small()
        arrival.file.write(content)
    return arrival


def encode_answer(outcome: Outcome, now: datetime) -> bytes:
    """Return the outcome of an object, with the current time of the main process, which has the clock."""
    return _encoded((outcome, now))


def decode_answer(answer: memoryview) -> tuple[Outcome, datetime]:
    """Undo `encode_answer`. Raises `NotUnderstoodError`."""
    try:
        outcome, now = _decoded(answer)
    except (TypeError, ValueError) as error:
        raise NotUnderstoodError(str(error)) from error
    if not isinstance(outcome, Outcome) or not isinstance(now, datetime):
        raise NotUnderstoodError("An answer has not what makes one")
    return outcome, now


def encode_told(told: object) -> bytes:
    """Return the content of any other frame."""
    return _encoded(told)


def decode_told(told: memoryview) -> object:
    """Undo `encode_told`. Raises `NotUnderstoodError`."""
    return _decoded(told)


def _encoded(what: object) -> bytes:
    return bytes((FORMAT,)) + pickle.dumps(what, _PROTOCOL)


def _decoded(data: memoryview) -> Any:
    if data[:1] != bytes((FORMAT,)):
        raise NotUnderstoodError(f"Format {data[:1].hex()} is none that this version reads")
    try:
        return pickle.loads(data[1:])
    except Exception as error:
        # Whatever exception arbitrary bytes cause in a pickle.
        raise NotUnderstoodError(f"{type(error).__name__}: {error}") from error
