"""Items that are alike but for a UID: a key object has thousands, and one of them is read for all.

Two items of the same length, whose bytes are the same but for the value of one UID of the same length, have
the same structure and say the same but for that UID. So only the first of a kind is taken apart.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Said = TypeVar("Said")


class Alike(Generic[Said]):
    """Remembers, by length, what an item says besides its UID."""

    def __init__(self) -> None:
        self._kinds: dict[int, tuple[bytes, bytes, int, int, Said]] = {}

    def find(self, item: bytes) -> tuple[str, Said] | None:
        """The UID of an item and what it says besides; None if none like it has been read."""
        kind = self._kinds.get(len(item))
        if kind is None:
            return None
        before, after, begin, end, said = kind
        if item.startswith(before) and item.endswith(after):
            return item[begin:end].decode("latin-1").strip("\0 "), said
        return None

    def learn(self, item: bytes, uid_value: bytes | None, said: Said) -> None:
        """An item was read: `uid_value` are the bytes of its UID with padding."""
        if uid_value and item.count(uid_value) == 1:
            before, _, after = item.partition(uid_value)
            self._kinds[len(item)] = (before, after, len(before), len(item) - len(after), said)
