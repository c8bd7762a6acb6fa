"""Items that are alike but for a UID: key objects have thousands, and one of them is read for all.

Two items of the same length and encoding, whose bytes are the same but for the value of one UID of the same
length, have the same structure and say the same but for that UID. So only the first of a kind is taken apart, be
it in this document or in one long before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from kinote.dicom.encodings import Encoding
from kinote.keyobject.remembered import LONGEST

Said = TypeVar("Said")

#: What stands before and behind the UID, where in the item it begins and ends, and what the item says besides.
_Kind = tuple[bytes, bytes, int, int, Said]

#: Kinds of one length that are remembered, the last ones first: instances of several SOP classes lie mixed.
_OF_A_LENGTH = 4


class Alike(Generic[Said]):
    """Remembers what items say besides their UID, for so many lengths; when it is full it begins anew."""

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._kinds: dict[tuple[Encoding, int], tuple[_Kind[Said], ...]] = {}

    def each(
        self, kept: bytes, places: Iterable[tuple[int, int]], encoding: Encoding
    ) -> Iterator[tuple[bytes, Said] | None]:
        """For each of the items that begin and end at these places of `kept` the bytes of its UID, and what it says
        besides; None where none like it has been read.

        What is learnt of an item is known of those after it.
        """
        kinds = self._kinds
        for start, stop in places:
            for before, after, begin, end, said in kinds.get((encoding, stop - start), ()):
                if kept.startswith(before, start) and kept.endswith(after, start, stop):
                    yield kept[start + begin : start + end], said
                    break
            else:
                yield None

    def learn(self, item: bytes, encoding: Encoding, uid_value: bytes | None, said: Said) -> None:
        """An item was read in which nothing was off: `uid_value` are the bytes of its UID with padding."""
        if not uid_value or len(item) > LONGEST or item.count(uid_value) != 1:
            return
        before, _, after = item.partition(uid_value)
        kind = (before, after, len(before), len(item) - len(after), said)
        key = (encoding, len(item))
        known = self._kinds.get(key, ())
        if not known and len(self._kinds) >= self._most:
            self._kinds.clear()
        self._kinds[key] = (kind, *known[: _OF_A_LENGTH - 1])
