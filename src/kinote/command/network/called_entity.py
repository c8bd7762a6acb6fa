"""Resolves the peer of `echo`, `find` and `send`: an entity of the settings, `TITLE@host:port`, or a peer of the
store.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from kinote.command.store.begun import Begun
from kinote.dimse.entity import ApplicationEntity
from kinote.peers.reaching.calling import PeerError, written_entity
from kinote.storage.directory.data_directory import is_data_directory


def whom(begun: Begun, peer: str, *, by_tls: bool) -> ApplicationEntity:
    """Return the application entity that `peer` names. `TITLE@host:port` is called with TLS if `by_tls`. Raises
    `PeerError`.
    """
    for entity in begun.settings.entities:
        if entity.title == peer:
            return ApplicationEntity(peer, entity.host, entity.port, entity.tls, entity.check_name)
    written = written_entity(peer, by_tls=by_tls)
    if written is not None:
        return written
    found = _found(begun, peer) if is_data_directory(begun.settings.data) else None
    if found is None:
        names = ", ".join(entity.title for entity in begun.settings.entities) or "none"
        raise PeerError(
            f"{peer!r} is neither a peer of this Kinote (see `kinote peers list`), nor one of the entities in the "
            f"settings ({names}), nor TITLE@host:port."
        )
    return _entity(found, peer)


def _found(begun: Begun, peer: str) -> Any:
    with begun.store("look") as store:
        found = store.get(f"/api/v1/peers?known_as={quote(peer, safe='')}")["items"]
    return found[0] if found else None


def _entity(found: Any, asked: str) -> ApplicationEntity:
    """Return the DICOM address of a peer: the endpoint with the given AE title, else the first."""
    if not found["enabled"]:
        raise PeerError(f"The peer {found['name']!r} is disabled.")
    endpoints = [endpoint for endpoint in found["endpoints"] if endpoint["kind"] == "dimse"]
    endpoints.sort(key=lambda endpoint: endpoint["ae_title"] != asked)
    if not endpoints:
        raise PeerError(f"The peer {found['name']!r} has no endpoint for DICOM associations.")
    first = endpoints[0]
    return ApplicationEntity(
        first["ae_title"], first["host"], first["port"], first["tls"], first["check_name"]
    )
