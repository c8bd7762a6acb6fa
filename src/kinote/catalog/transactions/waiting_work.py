"""The queue of the catalog's writers, in two classes: acknowledgments, and background work for which nobody waits.

Background work (recovery, checks of stored bytes, jobs) runs when no acknowledgment waits, and otherwise after a
number of groups of these. So it may be slow, but never stops. If there are several writers, one of them is always
reserved for acknowledgments.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

#: How many pieces of work share one commit at most. This bounds how long the first of them waits.
GROUP = 128

#: How many groups go before waiting background work at most. This costs them about a twentieth of their rate.
PATIENCE = 64

#: How many seconds a piece of background work may hold its writer, its commit included.
HELD_AT_MOST = 0.05

#: For how many of these seconds it may begin new steps.
_FOR_WORK = 0.03


class Budget:
    """The time left for a piece of background work. It checks this between its steps, and leaves the rest to the
    next piece."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._until = steady() + _FOR_WORK

    def is_spent(self) -> bool:
        return self._steady() >= self._until


@dataclass(slots=True)
class Piece:
    """A function of an open transaction, and the future that waits for its result."""

    work: Callable[[Connection], Any]
    done: Future[Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a writer does next: pieces that share a commit, or one piece of background work."""

    pieces: list[Piece]
    is_background: bool = False


class WaitingWork:
    """The queue for this many writers."""

    def __init__(self, writers: int) -> None:
        self._changed = threading.Condition()
        self._acknowledged: deque[Piece] = deque()
        self._background: deque[Piece] = deque()
        #: How many groups have gone before the background work that waits.
        self._gone_before = 0
        self._at_background = 0
        self._most_at_background = max(1, writers - 1)
        self._is_closed = False

    def put(self, piece: Piece, *, background: bool) -> bool:
        """Queue a piece. Returns whether it will be done, which it will not after `close`."""
        with self._changed:
            if self._is_closed:
                return False
            (self._background if background else self._acknowledged).append(piece)
            self._changed.notify()
            return True

    def take(self) -> Turn | None:
        """Wait for work. None once all is done and the queue is closed. Cancelled pieces are left out."""
        with self._changed:
            while True:
                if self._may_be_background() and (not self._acknowledged or self._gone_before >= PATIENCE):
                    piece = self._background.popleft()
                    self._gone_before = 0
                    if piece.done.set_running_or_notify_cancel():
                        self._at_background += 1
                        return Turn([piece], is_background=True)
                elif self._acknowledged:
                    self._gone_before += bool(self._background)
                    if pieces := self._group():
                        return Turn(pieces)
                elif self._is_closed and not self._background:
                    return None
                else:
                    self._changed.wait()

    def finished(self, turn: Turn) -> None:
        """Must be called after each turn."""
        if turn.is_background:
            with self._changed:
                self._at_background -= 1
                # Wake all, because those that end also wait for the last piece.
                self._changed.notify_all()

    def close(self) -> None:
        """Accept no more work. What waits is still done."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _may_be_background(self) -> bool:
        return bool(self._background) and self._at_background < self._most_at_background

    def _group(self) -> list[Piece]:
        group: list[Piece] = []
        while self._acknowledged and len(group) < GROUP:
            piece = self._acknowledged.popleft()
            if piece.done.set_running_or_notify_cancel():
                group.append(piece)
        return group
