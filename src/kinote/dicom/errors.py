"""What can be wrong with received DICOM bytes.

DicomError
├── TruncatedError    the bytes end where more must follow
├── MalformedError    lengths or tags contradict each other
├── TooDeepError      sequences nested beyond the limit
└── TooLargeError     more elements, header bytes or inflated bytes than the limit
"""

from __future__ import annotations


class DicomError(ValueError):
    """Bytes that cannot be read as a DICOM data set; `offset` is where, in bytes from its beginning."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(f"{what} (at byte {offset} of the data set)")
        self.offset = offset


class TruncatedError(DicomError):
    pass


class MalformedError(DicomError):
    pass


class TooDeepError(DicomError):
    pass


class TooLargeError(DicomError):
    pass
