"""Whether what is left to be sent goes over another association, once one has ended at an object."""

from __future__ import annotations

from kinote.dimse.errors import (
    AbortedError,
    BrokenError,
    DisconnectedError,
    ReleasedError,
    SilenceError,
    UnreadableDataSetError,
)

#: What tells that the peer has ended an association. It may have done so before it looked at the object.
_BY_THE_PEER = (AbortedError, ReleasedError, DisconnectedError)

#: After so many objects in a row at which the association has ended, the peer is taken to end it at any.
_ENDED_IN_A_ROW = 100

#: After so many at which the peer has given no answer in the time there is: each of them takes that time.
_SILENT_IN_A_ROW = 3


class GoingOn:
    """Counts the objects in a row at which associations with one peer have ended."""

    def __init__(self) -> None:
        self._ended = self._silent = 0
        self._is_first = True

    def begun(self) -> None:
        """A new association has come about."""
        self._is_first = True

    def answered(self) -> None:
        """The peer has answered for an object."""
        self._ended = self._silent = 0
        self._is_first = False

    def is_offered_again(self, error: Exception) -> bool:
        """Return whether an object is offered again, as the first of a new association.

        Some peers end an association after so many objects, or at an object that they have answered for: that says
        nothing of the next. An object has failed if the peer ends an association of which it is the first.
        """
        return not self._is_first and isinstance(error, _BY_THE_PEER)

    def after(self, error: Exception) -> bool:
        """Return whether to go on after an association has ended in the middle of an object, which alone has failed."""
        if isinstance(error, UnreadableDataSetError):
            # It is ours, and says nothing of the peer.
            return True
        self._ended += 1
        # A connection that has ended takes no time.
        is_silent = isinstance(error, BrokenError | SilenceError) and not isinstance(error, DisconnectedError)
        self._silent += is_silent
        return self._ended < _ENDED_IN_A_ROW and self._silent < _SILENT_IN_A_ROW
