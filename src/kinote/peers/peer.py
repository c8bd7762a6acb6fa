"""Peers: other systems, how they may call us, and where we reach them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping

from kinote.dimse.entity import ApplicationEntity
from kinote.peers.entities import ALL_SERVICES, ServiceName


class Origin(StrEnum):
    """Who manages a row: people through the REST API and commands, or the settings of a server."""

    PEOPLE = "people"
    SETTINGS = "settings"


class PeerRight(StrEnum):
    """Rights that storing peers do not have by default."""

    #: Its rejection notes take effect (IHE IOCM).
    REJECT = "reject"
    #: Its corrections of patients and studies take effect.
    CORRECT = "correct"
    #: It may query for what is removed from operational use.
    EXAMINE = "examine"


class EndpointKind(StrEnum):
    """The protocol of an endpoint."""

    DIMSE = "dimse"
    DICOMWEB = "dicomweb"
    MLLP = "mllp"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of a peer. `id` is None until it is stored.

    A `dimse` endpoint has `ae_title`, `host` and `port`; `dicomweb` the base `url` of the studies service; `mllp`
    `host` and `port`; `folder` a `path`. `tls` tells whether to connect with TLS, `check_name` whether the certificate
    must be issued for the host.
    """

    kind: EndpointKind
    ae_title: str | None = None
    host: str | None = None
    port: int | None = None
    tls: bool = False
    check_name: bool = True
    url: str | None = None
    path: str | None = None
    id: int | None = None

    @property
    def address(self) -> str:
        """The address as people write it. It is unique among the endpoints of one kind of a peer."""
        if self.kind is EndpointKind.DICOMWEB:
            return self.url or ""
        if self.kind is EndpointKind.FOLDER:
            return self.path or ""
        host = f"[{self.host}]" if ":" in (self.host or "") else self.host
        title = f"{self.ae_title}@" if self.ae_title else ""
        return f"{title}{host}:{self.port}"

    @property
    def entity(self) -> ApplicationEntity:
        """The application entity of a `dimse` endpoint."""
        assert self.kind is EndpointKind.DIMSE and self.ae_title is not None
        return ApplicationEntity(self.ae_title, self.host, self.port, self.tls, self.check_name)


@dataclass(frozen=True, slots=True)
class WantedPeer:
    """The definition of a peer.

    `ae_titles`  its calling AE titles; None for those of its endpoints
    `hosts`      host names or addresses from which it calls; None for those of its DIMSE endpoints, empty for any
    `certificates`  those that it shows, as `sha256:` and the fingerprint, or by the subject (RFC 4514); empty if none
                 is asked for
    `services`   the services that it may use
    `rights`     its additional rights
    """

    name: str
    description: str = ""
    is_enabled: bool = True
    ae_titles: tuple[str, ...] | None = None
    hosts: tuple[str, ...] | None = None
    certificates: tuple[str, ...] = field(default=(), kw_only=True)
    services: frozenset[ServiceName] = ALL_SERVICES
    rights: frozenset[PeerRight] = frozenset()
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def calling_titles(self) -> tuple[str, ...]:
        """The calling AE titles, with the default applied."""
        if self.ae_titles is not None:
            return self.ae_titles
        return tuple(dict.fromkeys(each.ae_title for each in self._dimse() if each.ae_title))

    @property
    def calling_hosts(self) -> tuple[str, ...]:
        """The hosts from which it calls, with the default applied."""
        if self.hosts is not None:
            return self.hosts
        return tuple(dict.fromkeys(each.host for each in self._dimse() if each.host))

    def _dimse(self) -> list[Endpoint]:
        return [each for each in self.endpoints if each.kind is EndpointKind.DIMSE]

    def columns(self) -> dict[str, Any]:
        """Return the columns for the table `peer`."""
        return {
            "name": self.name,
            "description": self.description,
            "is_enabled": self.is_enabled,
            "ae_titles": json.dumps(self.calling_titles),
            "hosts": json.dumps(self.calling_hosts),
            "certificates": json.dumps(self.certificates),
            "services": json.dumps([service for service in ServiceName if service in self.services]),
            "rights": json.dumps([right for right in PeerRight if right in self.rights]),
        }


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer as stored. `ended_at` is set once it is no longer active; `version` grows with every change."""

    id: int
    version: int
    name: str
    origin: str
    description: str
    is_enabled: bool
    ae_titles: tuple[str, ...]
    hosts: tuple[str, ...]
    services: frozenset[ServiceName]
    rights: frozenset[PeerRight]
    added_at: str
    changed_at: str
    ended_at: str | None
    endpoints: tuple[Endpoint, ...] = field(default=())
    certificates: tuple[str, ...] = field(default=(), kw_only=True)

    def endpoint(self, *kinds: EndpointKind) -> Endpoint | None:
        """Return the first endpoint of these kinds, trying the kinds in order, or None."""
        return next((each for kind in kinds for each in self.endpoints if each.kind is kind), None)


def peer_of(row: RowMapping, endpoints: Sequence[RowMapping]) -> Peer:
    """Make a peer from its row and the rows of its endpoints. Values that this version does not know are ignored."""
    return Peer(
        id=row["id"],
        version=row["version"],
        name=row["name"],
        origin=row["origin"],
        description=row["description"],
        is_enabled=row["is_enabled"],
        ae_titles=tuple(json.loads(row["ae_titles"])),
        hosts=tuple(json.loads(row["hosts"])),
        certificates=tuple(json.loads(row["certificates"])),
        services=frozenset(word for word in ServiceName if word in json.loads(row["services"])),
        rights=frozenset(word for word in PeerRight if word in json.loads(row["rights"])),
        added_at=row["added_at"],
        changed_at=row["changed_at"],
        ended_at=row["ended_at"],
        endpoints=tuple(endpoint_of(each) for each in endpoints if each["kind"] in _KINDS),
    )


_KINDS = frozenset(EndpointKind)

#: Fields of an endpoint that the column `details` contains.
_DETAILS = ("ae_title", "host", "port", "tls", "check_name", "url", "path")


def endpoint_of(row: RowMapping) -> Endpoint:
    """Make an endpoint from its row."""
    details = json.loads(row["details"])
    return Endpoint(
        EndpointKind(row["kind"]),
        id=row["id"],
        **{name: details[name] for name in _DETAILS if name in details},
    )


def endpoint_columns(endpoint: Endpoint) -> dict[str, Any]:
    """Return the columns of an endpoint, apart from its peer."""
    details = {
        name: value for name, value in asdict(endpoint).items() if name in _DETAILS and value is not None
    }
    return {"kind": str(endpoint.kind), "address": endpoint.address, "details": json.dumps(details)}
