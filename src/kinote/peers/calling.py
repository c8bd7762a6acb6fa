"""Whom a name means, and whether they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.requestor import Proposal, association
from kinote.dimse.tls import TlsOptions
from kinote.peers.entities import KnownEntity

#: `TITLE@host:port`, an IPv6 address in brackets.
_ADDRESS = re.compile(r"(?P<title>[^@]+)@(\[(?P<address>[^\]]+)\]|(?P<host>[^:]+)):(?P<port>[0-9]{1,5})")


class PeerError(ValueError):
    """An application entity that cannot be called, or a question it cannot be asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls whom."""

    peer: ApplicationEntity
    title: str
    tls: TlsOptions


def caller(
    entities: Mapping[str, KnownEntity], peer: str, *, by_tls: bool, title: str, tls: TlsOptions
) -> Caller:
    """Whom `peer` means: one of the known `entities` by its title, or `TITLE@host:port`, called `by_tls` or not.

    We call by our AE `title`, with what `tls` says of our certificate. Raises `PeerError`.
    """
    known = entities.get(peer)
    if known is not None:
        entity = known.entity
    else:
        found = _ADDRESS.fullmatch(peer)
        if found is None:
            names = ", ".join(entities) or "none"
            raise PeerError(
                f"{peer!r} is neither one of the entities in the settings ({names}) nor TITLE@host:port."
            )
        try:
            entity = ApplicationEntity(
                found["title"], found["address"] or found["host"], int(found["port"]), tls=by_tls
            )
        except ValueError as error:
            raise PeerError(f"{error}.") from error
    return Caller(entity, title, tls)


def echo(call: Caller) -> int:
    """C-ECHO; the status. Raises `DimseError`."""
    proposal = Proposal([(invoking.VERIFICATION, (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN))])
    with association(call.peer, call.title, proposal, tls=call.tls) as opened:
        return invoking.echo(opened).status
