"""Items that are alike but for a UID: key objects have thousands, and one of them is read for all.

Two items of the same length and encoding, whose bytes are the same but for the value of one UID of the same
length, have the same structure and say the same but for that UID. So only the first of a kind is taken apart, be
it in this document or in one long before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Generic, TypeVar

from kinote.dicom.elements.dataset import Items
from kinote.dicom.elements.encodings import Encoding
from kinote.keyobject.remembered import LONGEST

Said = TypeVar("Said")

#: Kinds of one length that are remembered, the last ones first: instances of several SOP classes lie mixed.
_OF_A_LENGTH = 4


@dataclass(slots=True)
class Run(Generic[Said]):
    """Items of a sequence that follow each other and are of one kind, or a single one of which none is known."""

    #: The number of the first item, from 0.
    first: int
    #: Where it begins, behind its head, and how far it is from there to where the next one does.
    start: int
    size: int
    #: The bytes of the UID of each; none where the kind is not known.
    values: list[bytes]
    #: What all say besides.
    said: Said | None

    def place(self, index: int) -> tuple[int, int]:
        """Where one of the items begins, behind its head, and ends."""
        start = self.start + index * self.size
        return start, start + self.size - 8


@dataclass(frozen=True, slots=True)
class _Kind(Generic[Said]):
    """What stands before the UID in an item, its head included, and behind it, and what the item says besides."""

    before: bytes
    after: bytes
    form: Struct
    said: Said

    def values(self, data: memoryview) -> list[bytes]:
        """The UIDs of the items of this kind that `data` begins with, which may be a number of them in length."""
        before, after = self.before, self.after
        found: list[bytes] = []
        for here, value, there in self.form.iter_unpack(data):
            if here != before or there != after:
                break
            found.append(value)
        return found


class Alike(Generic[Said]):
    """Remembers what items say besides their UID, for so many lengths; when it is full it begins anew."""

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._kinds: dict[tuple[Encoding, int], tuple[_Kind[Said], ...]] = {}

    def runs(self, items: Items) -> Iterator[Run[Said]]:
        """The items of a sequence in runs of one kind. What is learnt of an item is known of those after it."""
        kinds, encoding = self._kinds, items.encoding
        data = memoryview(items.kept)
        number = 0
        pos = items.start
        while (place := items.next_from(pos)) is not None:
            start, stop = place
            pos = start - 8
            size = stop - pos
            rest = data[pos : items.stop - (items.stop - pos) % size]
            for kind in kinds.get((encoding, size), ()):
                values = kind.values(rest)
                if values:
                    yield Run(number, start, size, values, kind.said)
                    number += len(values)
                    pos += len(values) * size
                    break
            else:
                yield Run(number, start, size, [], None)
                number += 1
                pos = stop

    def learn(self, item: bytes, encoding: Encoding, uid_value: bytes | None, said: Said) -> None:
        """An item was read, in which nothing was off: all its bytes, and those of its UID with padding."""
        if not uid_value or len(item) > LONGEST or item.count(uid_value) != 1:
            return
        before, _, after = item.partition(uid_value)
        form = Struct(f"{len(before)}s{len(uid_value)}s{len(after)}s")
        key = (encoding, len(item))
        known = self._kinds.get(key, ())
        if not known and len(self._kinds) >= self._most:
            self._kinds.clear()
        self._kinds[key] = (_Kind(before, after, form, said), *known[: _OF_A_LENGTH - 1])
