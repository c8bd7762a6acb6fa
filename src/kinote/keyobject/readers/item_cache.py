"""A cache of items that differ in one UID only: a key object may have thousands, and one of them is read for all.

Two items of the same length and encoding whose bytes are equal, apart from the value of one UID of the same
length, have the same structure and the same meaning apart from that UID. So only the first such item is parsed, in
this document or in an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Generic, TypeVar

from kinote.dicom.elements.byte_cache import ByteCache
from kinote.dicom.elements.dataset import Items
from kinote.dicom.elements.encodings import Encoding
from kinote.keyobject.readers.element_cache import LONGEST

Value = TypeVar("Value")

#: How many kinds of items of one length are kept, the latest first: references to several SOP classes may alternate.
_PER_LENGTH = 4


@dataclass(slots=True)
class Run(Generic[Value]):
    """Consecutive items of a sequence that are of one kind, or a single item whose kind is not known."""

    #: The index of the first item, from 0.
    first: int
    #: The offset of its content, and the distance from there to that of the next item.
    start: int
    size: int
    #: The bytes of the UID of each item; empty if the kind is not known.
    uids: list[bytes]
    #: What these items mean apart from their UID; None if the kind is not known.
    value: Value | None

    def place(self, index: int) -> tuple[int, int]:
        """Return the offsets where the content of one of these items begins and ends."""
        start = self.start + index * self.size
        return start, start + self.size - 8


@dataclass(frozen=True, slots=True)
class _Kind(Generic[Value]):
    """A kind of item: the bytes before its UID, item header included, those after it, and its meaning."""

    before: bytes
    after: bytes
    layout: Struct
    value: Value

    def uids(self, data: memoryview) -> list[bytes]:
        """Return the UIDs of the items of this kind at the beginning of `data`, whose length is a multiple of
        theirs."""
        before, after = self.before, self.after
        found: list[bytes] = []
        for here, uid, there in self.layout.iter_unpack(data):
            if here != before or there != after:
                break
            found.append(uid)
        return found


class ItemCache(ByteCache[tuple[Encoding, int], tuple[_Kind[Value], ...]], Generic[Value]):
    """The kinds of items by encoding and length; `capacity` is a number of lengths."""

    def __init__(self, capacity: int = 1024) -> None:
        super().__init__(capacity)

    def runs(self, items: Items) -> Iterator[Run[Value]]:
        """Divide a sequence into runs of items of one kind. A kind learnt meanwhile applies from the next item on."""
        kinds, encoding = self.entries, items.encoding
        data = memoryview(items.kept)
        number = 0
        pos = items.start
        while (place := items.next_from(pos)) is not None:
            start, stop = place
            pos = start - 8
            size = stop - pos
            rest = data[pos : items.stop - (items.stop - pos) % size]
            for kind in kinds.get((encoding, size), ()):
                uids = kind.uids(rest)
                if uids:
                    self.hits += len(uids)
                    yield Run(number, start, size, uids, kind.value)
                    number += len(uids)
                    pos += len(uids) * size
                    break
            else:
                self.misses += 1
                yield Run(number, start, size, [], None)
                number += 1
                pos = stop

    def learn(self, item: bytes, encoding: Encoding, uid_value: bytes | None, value: Value) -> None:
        """Store the kind of an item that was read without a finding.

        Parameters
        ----------
        item
            All bytes of the item, item header included.
        encoding
            The encoding of the data set.
        uid_value
            The bytes of its UID, padding included.
        value
            What the item means apart from the UID.
        """
        if not uid_value or len(item) > LONGEST or item.count(uid_value) != 1:
            return
        before, _, after = item.partition(uid_value)
        layout = Struct(f"{len(before)}s{len(uid_value)}s{len(after)}s")
        key = (encoding, len(item))
        known = self.entries.get(key, ())
        self.store(key, (_Kind(before, after, layout, value), *known[: _PER_LENGTH - 1]))
