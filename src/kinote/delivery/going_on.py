"""Whether what is left to be sent goes over another association, once one has ended at an object."""

from __future__ import annotations

from kinote.dimse.errors import BrokenError, SilenceError, UnreadableDataSetError

#: After so many objects in a row at which the association has ended, the peer is taken to end it at any.
_ENDED_IN_A_ROW = 100

#: After so many at which the peer has given no answer in the time there is: each of them takes that time.
_SILENT_IN_A_ROW = 3


class GoingOn:
    """Counts the objects in a row at which associations with one peer have ended."""

    def __init__(self) -> None:
        self._ended = self._silent = 0

    def answered(self) -> None:
        """The peer has answered for an object."""
        self._ended = self._silent = 0

    def after(self, error: Exception) -> bool:
        """Return whether to go on after an association has ended in the middle of an object, which alone has failed."""
        if isinstance(error, UnreadableDataSetError):
            # It is ours, and says nothing of the peer.
            return True
        self._ended += 1
        self._silent += isinstance(error, BrokenError | SilenceError)
        return self._ended < _ENDED_IN_A_ROW and self._silent < _SILENT_IN_A_ROW
