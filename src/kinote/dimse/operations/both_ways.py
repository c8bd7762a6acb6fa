"""Waiting for what the peer answers, and performing what it asks meanwhile.

Each end has one operation under way at most (`under_way`). While ours waits for its answer, the peer may send
requests of its own: an N-EVENT-REPORT on an association that we opened, a C-STORE within a C-GET. They are performed at
once, and what they lead to that needs an operation of ours is a *follow-up*, done when nothing is under way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from kinote.dimse import statuses
from kinote.dimse.association import Association, Message
from kinote.dimse.commands import CCancelRequest, CGetRequest, Request, Response
from kinote.dimse.errors import AbortReason, AssociationError
from kinote.dimse.operations.refusals import out_of_resources, refuse, refuse_service

log = logging.getLogger(__name__)

#: Messages of the peer that are taken while one answer is due; then the association is given up.
MOST_MEANWHILE = 1000

#: Requests of the peer that are refused, and cancels that are passed over, while one of its requests is performed.
MOST_REFUSED = 100

#: Follow-ups that may wait on one association.
MOST_FOLLOW_UPS = 16

_Answer = TypeVar("_Answer", bound=Response)


def perform(association: Association, message: Message) -> None:
    """Perform a request of the peer. Raises `AssociationError` where the association has ended."""
    command = message.command
    if isinstance(command, CCancelRequest):
        # It comes when its operation is over (PS3.7 9.3.2.3).
        return
    if not isinstance(command, Request):
        raise association.break_off(f"{type(command).__name__} to no message that was sent")
    under_way = association.under_way
    under_way.performing = command.message_id
    under_way.refused = 0
    try:
        (association.perform or refuse_service)(association, message)
    finally:
        under_way.performing = None


def meanwhile(association: Association, message: Message) -> None:
    """Take a message that comes while another operation is under way. Raises as `perform` does."""
    under_way, request = association.under_way, message.command
    _count(association)
    if not isinstance(request, Request):
        perform(association, message)
    elif under_way.performing is not None:
        _count_refused(association)
        is_same = request.message_id == under_way.performing
        status = statuses.DUPLICATE_INVOCATION if is_same else out_of_resources(request)
        refuse(association, message, status, "Another operation is being performed on this association")
    elif under_way.is_outstanding and isinstance(request, CGetRequest):
        # Its sub-operations would be operations of ours beside the one that waits.
        refuse(association, message, out_of_resources(request), "An answer is awaited on this association")
    else:
        perform(association, message)


def answer_due(
    association: Association,
    message_id: int,
    kind: type[_Answer],
    *,
    seconds: float | None = None,
    on_cancel: Callable[[CCancelRequest], None] | None = None,
) -> _Answer:
    """The answer of that kind to our message; requests of the peer are performed until it comes.

    It is due within so many `seconds`, without them within as many as the peer may be silent between two messages.
    Those in which we perform do not count, but for what the peer takes to send us what we perform. Another answer, or
    none in time, ends the association (`AssociationError`).
    """
    with association.within(association.patience.idle if seconds is None else seconds):
        while True:
            message = association.receive_due()
            command = message.command
            if isinstance(command, kind) and command.message_id_being_responded_to == message_id:
                return command
            if isinstance(command, Response):
                raise association.break_off(f"{kind.__name__} to message {message_id} was due")
            with association.our_own_time():
                if on_cancel is not None and isinstance(command, CCancelRequest):
                    _count(association)
                    on_cancel(command)
                else:
                    meanwhile(association, message)


def pass_cancel(association: Association) -> None:
    """A C-CANCEL has come that is about no operation under way: there may be so many while one is performed."""
    _count_refused(association)


def _count_refused(association: Association) -> None:
    """Something has come that has no place beside the operation that is being performed."""
    association.under_way.refused += 1
    if association.under_way.refused > MOST_REFUSED:
        raise association.break_off(
            "Operations go one after the other, as the window of 1 says", AbortReason.UNEXPECTED_PARAMETER
        )


def _count(association: Association) -> None:
    """A message of the peer has come while the answer to ours is due: there may be so many."""
    under_way = association.under_way
    under_way.meanwhile += 1
    if under_way.is_outstanding and under_way.meanwhile > MOST_MEANWHILE:
        raise association.break_off(f"An answer was due, and {MOST_MEANWHILE} other messages have come")


# --- between operations ---------------------------------------------------------------------------


def follow_up(association: Association) -> None:
    """Do what earlier requests have led to; nothing while an operation is under way.

    One that fails is told in the log. Raises `AssociationError` where the association has ended.
    """
    under_way = association.under_way
    while under_way.follow_ups and not under_way.is_outstanding and under_way.performing is None:
        try:
            under_way.follow_ups.popleft()()
        except AssociationError:
            if not association.is_open:
                raise
            log.warning("A follow-up on another association failed", exc_info=True)
        except Exception:
            log.exception("A follow-up failed")


def serve_waiting(association: Association) -> None:
    """Perform what the peer has asked already, as before a release; nothing is waited for."""
    for _ in range(MOST_MEANWHILE):
        follow_up(association)
        if not _has_more(association, 0) or not _serve_one(association):
            return


def serve_until(association: Association, is_done: Callable[[], bool], seconds: float) -> bool:
    """Perform what the peer asks until something is done, e.g. its N-EVENT-REPORT has come; whether it is.

    Gives up after so many seconds, or when the peer releases the association.
    """
    deadline = time.monotonic() + seconds
    follow_up(association)
    while not is_done():
        left = deadline - time.monotonic()
        if left <= 0 or not _has_more(association, left) or not _serve_one(association):
            return is_done()
        follow_up(association)
    return True


def _has_more(association: Association, seconds: float) -> bool:
    """Whether another message begins to come within so many seconds, behind the rest of the last one."""
    if not association.is_open:
        return False
    with association.within(association.patience.idle):
        association.pass_over()
    return association.wait(seconds)


def _serve_one(association: Association) -> bool:
    """Perform the request that has begun to come; whether there may be more."""
    with association.within(association.patience.idle):
        message = association.receive(association.patience.within)
        if message is None:
            return False
        with association.our_own_time():
            perform(association, message)
    return True
