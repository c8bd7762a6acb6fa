"""The bodies that add or change peers and destinations. They are strict, so that a misspelt field is reported and not
ignored.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kinote.peers.checks import LONGEST_ADDRESS, MOST
from kinote.peers.destination import Content, WantedDestination, WithoutNotes, policy_of
from kinote.peers.entities import ServiceName
from kinote.peers.peer import Endpoint, EndpointKind, PeerRight, WantedPeer
from kinote.web.api.protocol.keys import LARGEST

_STRICT = ConfigDict(extra="forbid")

#: A title, a host or an address. It is checked further when it is written.
_Word = Annotated[str, Field(max_length=LONGEST_ADDRESS)]


class EndpointBody(BaseModel):
    """Where a peer is reached."""

    model_config = _STRICT

    kind: EndpointKind
    id: int | None = Field(
        None,
        ge=0,
        le=LARGEST,
        description="Of an endpoint that the peer has already; leave it out for a new one.",
    )
    ae_title: _Word | None = Field(None, description="Of `dimse`: the AE title that is called.")
    host: _Word | None = Field(None, description="Of `dimse` and `mllp`: a host name or an IP address.")
    port: int | None = Field(None, strict=True, description="Of `dimse` and `mllp`.")
    tls: bool = Field(False, strict=True, description="Of `dimse` and `mllp`: whether it is called by TLS.")
    check_name: bool = Field(
        True, strict=True, description="Of `dimse` and `mllp`: whether its certificate must be for its host."
    )
    url: _Word | None = Field(None, description="Of `dicomweb`: the base URL of its studies service.")
    path: _Word | None = Field(None, description="Of `folder`: its path on the server.")

    def endpoint(self) -> Endpoint:
        return Endpoint(
            self.kind,
            ae_title=self.ae_title,
            host=self.host,
            port=self.port,
            tls=self.tls,
            check_name=self.check_name,
            url=self.url.rstrip("/") if self.url else self.url,
            path=self.path,
            id=self.id,
        )


class PeerBody(BaseModel):
    """The definition of a peer."""

    model_config = _STRICT

    name: str = Field(description="Under which people know it; each is there once.", examples=["Archive"])
    description: str = ""
    enabled: bool = Field(True, strict=True, description="Whether it is let in and called.")
    ae_titles: list[_Word] | None = Field(
        None, max_length=MOST, description="AE titles by which it calls; null: those of its endpoints."
    )
    hosts: list[_Word] | None = Field(
        None,
        max_length=MOST,
        description="Host names and addresses from which it calls; null: those of its DIMSE endpoints; none: any.",
    )
    certificates: list[_Word] = Field(
        [],
        max_length=MOST,
        description="Certificates of which it shows one by TLS: `sha256:` and the fingerprint, or the subject "
        "(RFC 4514). None: it need not show any.",
    )
    services: list[ServiceName] = Field(
        list(ServiceName), max_length=MOST, description="What it may ask for on DICOM associations."
    )
    rights: list[PeerRight] = Field(
        [],
        max_length=MOST,
        description="`reject`, `correct`: whether its rejection notes and corrections take effect; corrections do not "
        "yet, of anybody. `examine`: whether it may query for what is removed from operational use.",
    )
    endpoints: list[EndpointBody] = Field([], max_length=MOST, description="Where it is reached.")

    def wanted(self) -> WantedPeer:
        return WantedPeer(
            name=self.name,
            description=self.description,
            is_enabled=self.enabled,
            ae_titles=None if self.ae_titles is None else tuple(self.ae_titles),
            hosts=None if self.hosts is None else tuple(self.hosts),
            certificates=tuple(self.certificates),
            services=frozenset(self.services),
            rights=frozenset(self.rights),
            endpoints=tuple(endpoint.endpoint() for endpoint in self.endpoints),
        )


class PolicyBody(BaseModel):
    """What is sent to a destination, and how."""

    model_config = _STRICT

    content: Content = Field(
        Content.ALL,
        description="`all`; `key images`: what notes flag, with presentation states and key objects; `notes`: key "
        "objects only.",
    )
    associations: int = Field(1, strict=True, description="Associations or connections at once.")
    rejection_notes: bool = Field(
        False,
        strict=True,
        description="Whether it understands rejection notes; others would show them as key images.",
    )
    availability: bool = Field(
        False,
        strict=True,
        description="Whether it is told which instances of a study are available, by Instance Availability "
        "Notification; only by `dimse`.",
    )
    transfer_syntaxes: list[Annotated[str, Field(max_length=64)]] = Field(
        [], max_length=MOST, description="UIDs of the transfer syntaxes that may be used; none: any."
    )
    bytes_per_second: int = Field(0, strict=True, description="The speed limit of a delivery; 0: none.")
    hours: Annotated[str, Field(max_length=11)] = Field(
        "", description="When deliveries go out, `HH:MM-HH:MM` in the server's time zone; empty: at any time."
    )
    downtime_from: Annotated[str, Field(max_length=40)] = Field(
        "",
        description="When a planned downtime begins, ISO 8601 with offset. Deliveries wait until it is over.",
    )
    downtime_until: Annotated[str, Field(max_length=40)] = Field("", description="When it ends.")
    downtime_why: Annotated[str, Field(max_length=200)] = Field("", description="Why it is.")
    queried: bool = Field(
        True, strict=True, description="Whether it is asked after a delivery which of its objects it has."
    )
    pulled: Content = Field(
        Content.ALL,
        description="What its peer gets of whole studies and patients that it retrieves by C-MOVE or C-GET; only by "
        "`dimse`.",
    )
    pulled_without_notes: WithoutNotes = Field(
        WithoutNotes.ALL, description="What it gets of a study that has nothing of that: `all` or `nothing`."
    )


class DestinationBody(BaseModel):
    """The definition of a destination."""

    model_config = _STRICT

    name: str = Field(description="Under which people know it; each is there once.")
    endpoint: int = Field(strict=True, ge=0, le=LARGEST, description="The `id` of an endpoint of a peer.")
    description: str = ""
    enabled: bool = Field(True, strict=True, description="Whether anything is sent there.")
    policy: PolicyBody = PolicyBody()  # type: ignore[call-arg]

    def wanted(self) -> WantedDestination:
        return WantedDestination(
            name=self.name,
            endpoint=self.endpoint,
            description=self.description,
            is_enabled=self.enabled,
            policy=policy_of(self.policy.model_dump()),
        )
