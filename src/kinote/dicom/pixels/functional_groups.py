"""Attributes of one frame of a multi-frame image (PS3.3 C.7.6.16): its own, or shared by all frames."""

from dataclasses import dataclass

from kinote.dicom.elements.dataset import DataSet

_SHARED = 0x52009229
_PER_FRAME = 0x52009230


@dataclass(frozen=True, slots=True)
class FrameAttributes:
    """The header as it applies to one frame, counted from 1."""

    header: DataSet
    number: int

    def macro(self, sequence: int) -> DataSet:
        """Return the attributes of a functional group macro: its item, or the data set if there is none."""
        frames = self.header.items(_PER_FRAME)
        groups = frames[self.number - 1 : self.number] + self.header.items(_SHARED)[:1]
        for group in groups:
            items = group.items(sequence)
            if items:
                return items[0]
        return self.header
