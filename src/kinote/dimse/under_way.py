"""What is under way on an association: an operation in each direction at most.

We negotiate no asynchronous operations, so each end waits for the answer to its request before it sends the next one
(PS3.7 D.3.3.3). Both ends may do so at the same time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from kinote.dimse.errors import OutstandingError


class UnderWay:
    """The operations of one association.

    `is_outstanding`  whether an operation or notification of our own waits for its answer
    `performing`      the message ID of the peer's request that is being performed; None if none is
    `follow_ups`      what is to be done as soon as nothing is under way
    `meanwhile`       how many messages of the peer have come since our last operation began, other than answers
    `refused`         how many of the peer's requests were refused since the one that is performed began
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
        """The next message ID; they begin again after 65535."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def begin(self) -> int:
        """Begin an operation of our own; gives its message ID. Raises `OutstandingError` while another one waits."""
        if self.is_outstanding:
            raise OutstandingError
        self.is_outstanding = True
        self.meanwhile = 0
        return self.new_message_id()

    def end(self) -> None:
        """The last answer to our own operation has come, or is not waited for."""
        self.is_outstanding = False
