"""A sequence sent as UN of defined length, which was not walked (PS3.5 6.2.2)."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.elements.encodings import Encoding
from kinote.dicom.overlay.kept_head import HeadElement, KeptHead
from kinote.dicom.overlay.pieces import Pieces, joined


@dataclass(frozen=True, slots=True)
class UnknownSequence:
    """Items between `start` and `stop` in the kept bytes of their own head."""

    head: KeptHead
    start: int
    stop: int
    encoding: Encoding
    #: The source of the head, for its skipped values.
    _data: bytes

    def joined(self, pieces: Pieces) -> bytes:
        """Return pieces of it as bytes."""
        return joined(self._data, pieces)


def unknown_sequence(head: KeptHead, element: HeadElement, encoding: Encoding) -> UnknownSequence | None:
    """Return the items of an element; None if its value cannot be read as items. `encoding` is that of its level."""
    found = DataSet(head.kept, element.at, element.stop, encoding, head.ends, None).sequence(element.tag)
    if found.start == found.stop:
        return None
    # Implicit items were read as an undefined-length sequence, with a delimiter that was not sent.
    delimiter = 0 if found.encoding.explicit else 8
    return UnknownSequence(
        KeptHead(found.kept, found.ends, found.bulk),
        found.start,
        found.stop - delimiter,
        found.encoding,
        bytes(found.start) + head.kept[element.value : element.stop],
    )
