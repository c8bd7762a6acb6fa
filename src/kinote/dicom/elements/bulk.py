"""Bulk values: values that are skipped while a data set is walked, with their position."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from kinote.dicom.elements.errors import TagPath


@dataclass(frozen=True, slots=True)
class BulkSpan:
    """A value that is not kept in memory.

    `offset` counts bytes from the beginning of the (inflated) data set. For encapsulated pixel data `length` is -1,
    and `fragments` holds offset and length of each fragment in turn, beginning with the Basic Offset Table (PS3.5
    A.4).
    """

    path: TagPath
    vr: str
    offset: int
    length: int
    fragments: array[int] = field(default_factory=lambda: array("Q"))

    @property
    def tag(self) -> int:
        return self.path[-1]

    @property
    def address(self) -> str:
        """Return the path in the form that BulkDataURI uses, e.g. ``54000100/0/54001010``."""
        return "/".join(str(part) if index % 2 else f"{part:08X}" for index, part in enumerate(self.path))
