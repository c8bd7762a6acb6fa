"""One level of a scanned data set in a hurry: a key object of 20,000 references has 40,000 of them.

What is not plain (other representations, character sets, sequences sent as UN) goes to `DataSet`.
"""

from __future__ import annotations

from functools import lru_cache

from kinote.dicom.dataset import DataSet
from kinote.dicom.scanner import Tokens


class Level:
    """A view on the root or an item, whose elements are looked up once."""

    __slots__ = ("_dataset", "_first", "_kept", "_order", "_outer", "_stop", "_tokens", "found")

    def __init__(
        self,
        kept: bytes | bytearray,
        tokens: Tokens,
        first: int,
        stop: int,
        order: str,
        outer: DataSet | Level | None,
        dataset: DataSet | None = None,
    ) -> None:
        self._kept = kept
        self._tokens = tokens
        self._first = first
        self._stop = stop
        self._order = order
        self._outer = outer
        self._dataset = dataset
        #: The token of each tag of this level.
        self.found: dict[int, int] = {}
        found, columns, after = self.found, tokens.tag, tokens.after
        while first < stop:
            if columns[first] in found:
                first = after[first]
                continue
            found[columns[first]] = first
            first = after[first]

    @classmethod
    def of(cls, dataset: DataSet) -> Level:
        kept, tokens, first, stop, order = dataset.extent
        return cls(kept, tokens, first, stop, order, None, dataset)

    @property
    def dataset(self) -> DataSet:
        """The same level as a `DataSet`, made when first needed."""
        if self._dataset is None:
            outer = self._outer.dataset if isinstance(self._outer, Level) else self._outer
            self._dataset = DataSet(self._kept, self._tokens, self._first, self._stop, self._order, outer)
        return self._dataset

    def __contains__(self, tag: int) -> bool:
        return tag in self.found

    def plain(self, tag: int) -> str:
        """A value of code string or UID, without padding; '' if there is none."""
        token = self.found.get(tag, -1)
        if token < 0:
            return ""
        return _plain(bytes(self._kept[self._tokens.start[token] : self._tokens.end[token]]))

    def uid(self, tag: int) -> str:
        """A UID that hardly comes twice, so that it is not worth remembering."""
        token = self.found.get(tag, -1)
        if token < 0:
            return ""
        value = bytes(self._kept[self._tokens.start[token] : self._tokens.end[token]])
        return value.decode("latin-1").strip("\0 ")

    def vr(self, tag: int) -> str:
        """The representation as sent; '' if the element is not there."""
        token = self.found.get(tag, -1)
        return self._tokens.vr[token] if token >= 0 else ""

    def items(self, tag: int) -> list[Level]:
        """The items of a sequence; none if it is absent, empty or no sequence."""
        token = self.found.get(tag, -1)
        if token < 0:
            return []
        columns = self._tokens
        if columns.vr[token] != "SQ":
            return [Level.of(item) for item in self.dataset.items(tag)]
        found = []
        kept, order, after = self._kept, self._order, columns.after
        item, stop = token + 1, after[token]
        while item < stop:
            beyond = after[item]
            found.append(Level(kept, columns, item + 1, beyond, order, self))
            item = beyond
        return found


@lru_cache(maxsize=1024)
def _plain(value: bytes) -> str:
    return value.decode("latin-1").strip("\0 ")
