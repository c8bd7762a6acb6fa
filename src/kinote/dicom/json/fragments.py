"""The JSON of elements remembered by their bytes.

The headers of a series are nearly alike, and so are the codes in key objects: the second of a kind costs a
look-up for each element that did not change.
"""

from __future__ import annotations

from threading import Lock

from kinote.dicom.elements.dataset import DataSet

#: Elements and fragments beyond this are not worth remembering, in bytes and characters.
LONGEST = 16 * 1024


class FragmentCache:
    """The JSON of elements by their bytes, bounded; when it is full it begins anew.

    What bytes mean depends on a context (character set, encoding, sign of pixels): each has its own table.
    """

    def __init__(self, limit: int) -> None:
        #: In bytes, about.
        self.limit = limit
        self.size = 0
        #: How many fragments were not in it and had to be made.
        self.made = 0
        self._tables: dict[tuple[object, ...], dict[bytes, str]] = {}
        self._lock = Lock()

    def table(self, dataset: DataSet) -> dict[bytes, str]:
        """What is known of elements that mean what they mean in `dataset`; only `remember` may change it."""
        context = (dataset.character_set.terms, dataset.encoding.name, dataset.has_signed_pixels)
        found = self._tables.get(context)
        if found is None:
            with self._lock:
                found = self._tables.setdefault(context, {})
                self.size += 400
        return found

    def remember(self, table: dict[bytes, str], element: bytes, fragment: str) -> None:
        with self._lock:
            if self.size > self.limit:
                for known in self._tables.values():
                    known.clear()
                self._tables.clear()
                self.size = 0
            self.made += 1
            table[element] = fragment
            self.size += len(element) + len(fragment) + 200
