"""Decides whether the remaining objects go over another association, after one has ended at an object."""

from __future__ import annotations

from kinote.dimse.errors import (
    AbortedError,
    BrokenError,
    DisconnectedError,
    ReleasedError,
    SilenceError,
    UnreadableDataSetError,
)

#: Errors by which a peer ends an association, possibly before it looked at the object.
_BY_THE_PEER = (AbortedError, ReleasedError, DisconnectedError)

#: After this many objects in a row that ended an association, the peer is assumed to end it at any.
_ENDED_IN_A_ROW = 100

#: After this many without an answer within the timeout, each of which takes that time.
_SILENT_IN_A_ROW = 3


class GoingOn:
    """Counts the objects in a row at which associations with a peer have ended."""

    def __init__(self) -> None:
        self._ended = self._silent = 0
        self._is_first = True

    def begun(self) -> None:
        """Note that a new association has been opened."""
        self._is_first = True

    def answered(self) -> None:
        """Note that the peer has answered for an object."""
        self._ended = self._silent = 0
        self._is_first = False

    def is_offered_again(self, error: Exception) -> bool:
        """Return whether to offer an object again, as the first of a new association.

        Some peers end an association after a number of objects, or at an object that they have answered for. That says
        nothing about the next one. An object has failed if the association ends at it as the first.
        """
        return not self._is_first and isinstance(error, _BY_THE_PEER)

    def after(self, error: Exception) -> bool:
        """Return whether to continue after an association has ended in the middle of an object, which alone has
        failed.
        """
        if isinstance(error, UnreadableDataSetError):
            # Our own error says nothing about the peer.
            return True
        self._ended += 1
        # A closed connection takes no time.
        is_silent = isinstance(error, BrokenError | SilenceError) and not isinstance(error, DisconnectedError)
        self._silent += is_silent
        return self._ended < _ENDED_IN_A_ROW and self._silent < _SILENT_IN_A_ROW
