"""The reason why an identifier is refused, and the status of the response (PS3.4 C.4.1.1.4, C.4.2.1.5, C.4.3.1.4)."""

from __future__ import annotations

from enum import IntEnum

#: Error Comment (0000,0902) is an LO.
_LONGEST_COMMENT = 64


class Refusal(IntEnum):
    """The failures that an identifier can cause."""

    OUT_OF_RESOURCES = 0xA700
    DOES_NOT_MATCH_SOP_CLASS = 0xA900
    UNABLE_TO_PROCESS = 0xC000


class IdentifierError(Exception):
    """An identifier that cannot be answered: the status, what is wrong, and the elements at fault."""

    def __init__(self, status: Refusal, what: str, offending: tuple[int, ...] = ()) -> None:
        super().__init__(what)
        self.status = status
        #: For Offending Element (0000,0901).
        self.offending = offending

    @property
    def comment(self) -> str:
        """The reason as Error Comment (0000,0902): ASCII, 64 characters at most."""
        text = str(self).encode("ascii", "replace").decode().replace("\\", "/")
        return text if len(text) <= _LONGEST_COMMENT else text[: _LONGEST_COMMENT - 3] + "..."
