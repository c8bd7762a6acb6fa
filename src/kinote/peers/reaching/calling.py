"""Parsing of addresses, and C-ECHO."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking
from kinote.dimse.associations.negotiation import MOST_CONTEXTS
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import RejectedError
from kinote.dimse.transport.tls import TlsOptions

#: `TITLE@host:port`, an IPv6 address in brackets.
_ADDRESS = re.compile(r"(?P<title>[^@]+)@(\[(?P<address>[^\]]+)\]|(?P<host>[^:]+)):(?P<port>[0-9]{1,5})")


class PeerError(ValueError):
    """An application entity cannot be called, or a query is not valid. The message says why."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The peer to call, our AE title, and the TLS options."""

    peer: ApplicationEntity
    title: str
    tls: TlsOptions


def written_entity(text: str, *, by_tls: bool) -> ApplicationEntity | None:
    """Parse `TITLE@host:port`. Returns None if the text has another form.

    `by_tls` is whether to call the entity with TLS. Raises `PeerError` if the AE title is not valid.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return None
    try:
        return ApplicationEntity(
            found["title"], found["address"] or found["host"], int(found["port"]), tls=by_tls
        )
    except ValueError as error:
        raise PeerError(f"{error}.") from error


def accepted(call: Caller, contexts: Sequence[tuple[str, tuple[str, ...]]]) -> list[tuple[str, str]]:
    """Return which presentation contexts a peer accepts: SOP class and transfer syntax of each.

    They are proposed in as many associations as they take, and nothing is sent. Raises `DimseError`.
    """
    found: list[tuple[str, str]] = []
    for start in range(0, len(contexts), MOST_CONTEXTS):
        proposal = Proposal(contexts[start : start + MOST_CONTEXTS])
        try:
            with association(call.peer, call.title, proposal, tls=call.tls) as opened:
                found += [(each.abstract_syntax, each.transfer_syntax) for each in opened.contexts.values()]
        except RejectedError:
            # Some reject an association of which they take no context.
            if not start:
                raise
    return found


def echo(call: Caller) -> int:
    """Send a C-ECHO (PS3.7 9.1.5) and return its status. Raises `DimseError` if the peer does not answer."""
    proposal = Proposal([(invoking.VERIFICATION, (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN))])
    with association(call.peer, call.title, proposal, tls=call.tls) as opened:
        return invoking.echo(opened).status
