"""Which end of an association may send a request in a presentation context (PS3.7 7.1, D.3.3.4)."""

from __future__ import annotations

from kinote.dimse.associations.association import Association, Message
from kinote.dimse.associations.negotiation import Context
from kinote.dimse.command_sets.normalized import NEventReportRequest
from kinote.dimse.commands import Command


def peer_may_send(association: Association, message: Message) -> bool:
    """Return whether the peer's role allows a request: an SCP sends notifications, an SCU invokes operations."""
    if isinstance(message.command, NEventReportRequest):
        return association.we_are_scu(message.context)
    return association.we_are_scp(message.context)


def context_to_send(association: Association, abstract_syntax: str, request: type[Command]) -> Context | None:
    """Return the first accepted context of a SOP class in which our role allows a request, or None."""
    is_ours = association.we_are_scp if issubclass(request, NEventReportRequest) else association.we_are_scu
    return next(
        (
            each
            for each in association.contexts.values()
            if each.abstract_syntax == abstract_syntax and is_ours(each)
        ),
        None,
    )
