"""What can be wrong with received DICOM bytes.

DicomError
├── TruncatedError    the bytes end where more must follow
├── MalformedError    lengths or tags contradict each other
├── TooDeepError      sequences nested beyond the limit
└── TooLargeError     more elements, header bytes or inflated bytes than the limit
"""

from __future__ import annotations

TagPath = tuple[int, ...]
"""Where an element stands: tag, item, tag, item, …, tag. Items count from 0."""


def path_text(path: TagPath) -> str:
    """Return a tag path for people, e.g. ``(0040,A730)[3]/(0040,A043)[0]/(0008,0100)``."""
    parts: list[str] = []
    for index, part in enumerate(path):
        if index % 2:
            parts[-1] += f"[{part}]"
        else:
            parts.append(f"({part >> 16:04X},{part & 0xFFFF:04X})")
    return "/".join(parts)


class DicomError(ValueError):
    """Bytes that cannot be read as a DICOM data set.

    `offset` is the position in bytes from its beginning (of the inflated data set, if it is deflated). `path` leads
    to the element at fault, and is empty if there is none.
    """

    def __init__(self, what: str, offset: int, path: TagPath = ()) -> None:
        place = f"at byte {offset} of the data set"
        super().__init__(f"{what} ({place}, {path_text(path)})" if path else f"{what} ({place})")
        self.offset = offset
        self.path = path


class TruncatedError(DicomError):
    """The bytes end before the data set does."""


class MalformedError(DicomError):
    """The bytes contradict PS3.5 in a way that leaves no safe interpretation."""


class TooDeepError(DicomError):
    """Sequences are nested deeper than the limit."""


class TooLargeError(DicomError):
    """More elements, header bytes or inflated bytes than the limit."""
