"""The outstanding operations of an association: at most one in each direction.

We negotiate no asynchronous operations, so each end waits for a response before it sends its next request
(PS3.7 D.3.3.3). Both ends may have a request outstanding at the same time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from kinote.dimse.errors import OutstandingError


class UnderWay:
    """The outstanding operations of one association.

    `is_outstanding`  whether an operation or notification of ours is outstanding
    `performing`      Message ID of the peer's request that is being performed; None if there is none
    `follow_ups`      functions to call as soon as no operation is outstanding in either direction
    `meanwhile`       number of the peer's messages, other than responses, since our last operation began
    `refused`         number of the peer's requests that were refused since the current one began
    """

    __slots__ = ("_message_id", "follow_ups", "is_outstanding", "meanwhile", "performing", "refused")

    def __init__(self) -> None:
        self._message_id = 0
        self.is_outstanding = False
        self.performing: int | None = None
        self.follow_ups: deque[Callable[[], None]] = deque()
        self.meanwhile = 0
        self.refused = 0

    def new_message_id(self) -> int:
        """Return the next Message ID. After 65535, they begin again at 1."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def begin(self) -> int:
        """Begin an operation of ours and return its Message ID. Raises `OutstandingError` if one is outstanding."""
        if self.is_outstanding:
            raise OutstandingError
        self.is_outstanding = True
        self.meanwhile = 0
        return self.new_message_id()

    def end(self) -> None:
        """End our operation: its final response has arrived, or is no longer expected."""
        self.is_outstanding = False
