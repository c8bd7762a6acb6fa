"""A sequence sent as UN of defined length, which the walk has not been in (PS3.5 6.2.2)."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.elements.encodings import Encoding
from kinote.dicom.overlay.kept_head import HeadElement, KeptHead
from kinote.dicom.overlay.pieces import Pieces, joined


@dataclass(frozen=True, slots=True)
class UnknownSequence:
    """Items that lie between `start` and `stop` in the kept bytes of a head of their own."""

    head: KeptHead
    start: int
    stop: int
    encoding: Encoding
    #: What the head was made of: what it leaves out lies there.
    _data: bytes

    def joined(self, pieces: Pieces) -> bytes:
        """Pieces of it in bytes."""
        return joined(self._data, pieces)


def unknown_sequence(head: KeptHead, element: HeadElement, encoding: Encoding) -> UnknownSequence | None:
    """The items of an element of a level of that encoding; None if its value cannot be read as such."""
    found = DataSet(head.kept, element.at, element.stop, encoding, head.ends, None).sequence(element.tag)
    if found.start == found.stop:
        return None
    # Implicit ones were read as those of a sequence without length: with its delimiter, which was not sent.
    delimiter = 0 if found.encoding.explicit else 8
    return UnknownSequence(
        KeptHead(found.kept, found.ends, found.bulk),
        found.start,
        found.stop - delimiter,
        found.encoding,
        bytes(found.start) + head.kept[element.value : element.stop],
    )
