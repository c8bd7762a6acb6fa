"""A cache of the JSON of elements.

The headers of a series are nearly alike, and so are the codes in key objects: from the second object on, an
element that did not change costs one look-up.
"""

from __future__ import annotations

from kinote.dicom.elements.byte_cache import ByteCache
from kinote.dicom.elements.dataset import DataSet

#: Elements and fragments longer than this are not stored, in bytes and characters.
LONGEST = 16 * 1024

#: What decides the meaning of an element beside its bytes: character set, encoding, sign of pixel values.
Context = tuple[tuple[str, ...], str, bool]

#: What tables and entries take beside their content, in bytes.
_TABLE_COST, _ENTRY_COST = 400, 200


class FragmentCache(ByteCache[Context, dict[bytes, str]]):
    """The JSON of elements by their bytes, in one table for each context; `capacity` is in bytes, approximately."""

    def table(self, dataset: DataSet) -> dict[bytes, str]:
        """Return the fragments known in the context of `dataset`. Only `remember` may change this table."""
        context = (dataset.character_set.terms, dataset.encoding.name, dataset.has_signed_pixels)
        found = self.entries.get(context)
        if found is None:
            found = {}
            self.store(context, found, _TABLE_COST)
        return found

    def remember(self, table: dict[bytes, str], element: bytes, fragment: str) -> None:
        """Store the fragment that had to be made for an element."""
        with self._lock:
            self.misses += 1
            if self._make_room(len(element) + len(fragment) + _ENTRY_COST):
                table[element] = fragment

    def clear(self) -> None:
        # A loop may still hold its table.
        for table in self.entries.values():
            table.clear()
        super().clear()
