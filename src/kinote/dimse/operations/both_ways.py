"""Waiting for a response, and performing the peer's requests meanwhile.

Each end has at most one outstanding operation (`under_way`). While ours is outstanding, the peer may send requests:
an N-EVENT-REPORT on an association that we opened, or a C-STORE within a C-GET. They are performed at once. If they
require an operation of ours, that is a *follow-up*, which is called when no operation is outstanding.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from kinote.dimse import statuses
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.commands import CCancelRequest, CGetRequest, Request, Response
from kinote.dimse.errors import AbortReason, AssociationError
from kinote.dimse.operations.refusals import out_of_resources, refuse, refuse_service

log = logging.getLogger(__name__)

#: Maximum messages of the peer while a response is outstanding; more end the association.
MOST_MEANWHILE = 1000

#: Maximum requests that are refused and cancels that are ignored while one request is performed.
MOST_REFUSED = 100

#: Maximum waiting follow-ups of an association.
MOST_FOLLOW_UPS = 16

_Answer = TypeVar("_Answer", bound=Response)


def perform(association: Association, message: Message) -> None:
    """Perform a request of the peer. Raises `AssociationError` if the association ends."""
    command = message.command
    if isinstance(command, CCancelRequest):
        # Its operation has already completed (PS3.7 9.3.2.3).
        return
    if not isinstance(command, Request):
        raise association.break_off(f"{type(command).__name__} does not answer any request")
    under_way = association.under_way
    under_way.performing = command.message_id
    under_way.refused = 0
    try:
        (association.perform or refuse_service)(association, message)
    finally:
        under_way.performing = None


def meanwhile(association: Association, message: Message) -> None:
    """Perform or refuse a message that arrives during another operation.

    Raises `AssociationError` if the association ends, as it does after too many such messages.
    """
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
        # Its sub-operations would be further operations of ours, but one is already outstanding.
        refuse(
            association, message, out_of_resources(request), "A response is outstanding on this association"
        )
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
    """Return the response of type `kind` to our message. Performs requests of the peer until it arrives.

    The response must arrive within `seconds`, by default within the peer's idle limit. Time that we spend on the
    peer's requests does not count, except while we wait for the peer's data. `on_cancel` is called for a C-CANCEL.
    Raises `AssociationError`, and aborts the association, if another response arrives or none in time.
    """
    with association.within(association.patience.idle if seconds is None else seconds):
        while True:
            message = association.receive_due()
            command = message.command
            if isinstance(command, kind) and command.message_id_being_responded_to == message_id:
                return command
            if isinstance(command, Response):
                raise association.break_off(f"{kind.__name__} to message {message_id} was expected")
            with association.our_own_time():
                if on_cancel is not None and isinstance(command, CCancelRequest):
                    _count(association)
                    on_cancel(command)
                else:
                    meanwhile(association, message)


def pass_cancel(association: Association) -> None:
    """Ignore a C-CANCEL that does not belong to the current operation. Too many of them end the association."""
    _count_refused(association)


def _count_refused(association: Association) -> None:
    """Count a message that is refused or ignored during an operation, and abort if there are too many."""
    association.under_way.refused += 1
    if association.under_way.refused > MOST_REFUSED:
        raise association.break_off(
            "Too many requests at a time: asynchronous operations were not negotiated",
            AbortReason.UNEXPECTED_PARAMETER,
        )


def _count(association: Association) -> None:
    """Count a message that arrives while a response is outstanding, and abort if there are too many."""
    under_way = association.under_way
    under_way.meanwhile += 1
    if under_way.is_outstanding and under_way.meanwhile > MOST_MEANWHILE:
        raise association.break_off(f"{MOST_MEANWHILE} other messages arrived while a response was expected")


# --- between operations ---------------------------------------------------------------------------


def follow_up(association: Association) -> None:
    """Call the waiting follow-ups. Does nothing while an operation is outstanding.

    A follow-up that fails is logged. Raises `AssociationError` if the association ends.
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
    """Perform the requests that have already arrived, e.g. before a release, without waiting for more."""
    for _ in range(MOST_MEANWHILE):
        follow_up(association)
        if not _has_more(association, 0) or not _serve_one(association):
            return


def serve_until(association: Association, is_done: Callable[[], bool], seconds: float) -> bool:
    """Perform the peer's requests until `is_done` returns true, e.g. because an N-EVENT-REPORT has arrived.

    Stops after `seconds`, or when the peer releases the association. Returns the last value of `is_done`.
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
    """Skip the rest of the last message and wait up to `seconds` for another. Returns whether one begins."""
    if not association.is_open:
        return False
    with association.within(association.patience.idle):
        association.skip_data_set()
    return association.wait(seconds)


def _serve_one(association: Association) -> bool:
    """Receive and perform one request. Returns whether the association is still open for more."""
    with association.within(association.patience.idle):
        message = association.receive(association.patience.within)
        if message is None:
            return False
        with association.our_own_time():
            perform(association, message)
    return True
