"""Finds the system to fetch from: a peer or a destination by its name, `TITLE@host:port`, or a DICOMweb URL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from kinote.catalog.transactions.catalog import Catalog
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.transport.tls import TlsOptions
from kinote.migration.fetching.dimse_source import DimseSource
from kinote.migration.fetching.source import Source
from kinote.migration.fetching.web_source import WebSource, without_password
from kinote.peers.destination_acts import destinations_called
from kinote.peers.known import PeersInUse
from kinote.peers.lists import peer
from kinote.peers.peer import Endpoint, EndpointKind, Peer
from kinote.peers.reaching.calling import Caller, PeerError, written_entity
from kinote.security.actors import Actor, ActorKind
from kinote.security.origins import Interface, Origin


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A system, the name of its account, and the origin of its objects."""

    name: str
    source: Source
    origin: Origin


@dataclass(frozen=True, slots=True)
class NamedSources:
    """Finds systems. They are called with our AE title; `moves_to` is that of our server, if one listens."""

    catalog: Catalog
    peers: PeersInUse
    title: str
    tls: TlsOptions
    moves_to: str = ""
    #: The header `Authorization` for a DICOMweb peer, by its name; empty if there is none.
    authorization: Callable[[str], str] = lambda peer: ""

    def find(self, text: str, *, by_tls: bool = False) -> NamedSource:
        """Return the system that is meant. Raises `PeerError`."""
        if text.startswith(("http://", "https://")):
            return _by_url(text)
        written = written_entity(text, by_tls=by_tls)
        if written is not None:
            return self._by_dicom(text, written)
        found = self.peers.known.find(text)
        endpoint = found.endpoint(EndpointKind.DICOMWEB, EndpointKind.DIMSE) if found else None
        if found is None:
            found, endpoint = self._of_destination(text)
        if not found.is_enabled:
            raise PeerError(f"The peer {found.name!r} is disabled.")
        if endpoint is None:
            raise PeerError(f"The peer {found.name!r} is reached neither by DICOM nor by DICOMweb.")
        if endpoint.kind is EndpointKind.DICOMWEB:
            assert endpoint.url is not None
            try:
                source = WebSource(endpoint.url, self.authorization(found.name))
            except OSError as error:
                raise PeerError(
                    f"The authorization for {found.name!r} cannot be read: {error.strerror}."
                ) from error
            return NamedSource(found.name, source, _origin(found.name, endpoint.url))
        return self._by_dicom(found.name, endpoint.entity)

    def _of_destination(self, name: str) -> tuple[Peer, Endpoint | None]:
        with self.catalog.read() as connection:
            called = destinations_called(connection, name)
            if not called:
                raise PeerError(
                    f"{name!r} is neither a peer or a destination of this Kinote, nor TITLE@host:port, nor a URL."
                )
            found = peer(connection, called[0].peer)
        endpoint = next((each for each in found.endpoints if each.id == called[0].endpoint), None)
        if endpoint is not None and endpoint.kind not in (EndpointKind.DICOMWEB, EndpointKind.DIMSE):
            endpoint = None
        return found, endpoint

    def _by_dicom(self, name: str, entity: ApplicationEntity) -> NamedSource:
        source = DimseSource(Caller(entity, self.title, self.tls), self.moves_to)
        origin = Origin(Interface.C_STORE, Actor(ActorKind.PEER, entity.title, entity.host or ""))
        return NamedSource(name, source, origin)


def _by_url(url: str) -> NamedSource:
    try:
        host = urlsplit(url).hostname or ""
        shown = without_password(url)
        source = WebSource(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise PeerError(f"This is no URL: {error}.") from error
    if not host:
        raise PeerError("This URL names no host.")
    return NamedSource(shown, source, _origin(host, shown))


def _origin(name: str, address: str) -> Origin:
    return Origin(Interface.IMPORT, Actor(ActorKind.PEER, name, address))
