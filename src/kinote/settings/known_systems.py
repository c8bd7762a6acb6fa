"""Other systems, and where objects are sent, as the settings name them."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)

from kinote.dimse.entity import ae_title
from kinote.peers.destination import (
    MOST_ASSOCIATIONS,
    MOST_BYTES_PER_SECOND,
    Content,
    WithoutNotes,
    policy_of,
)
from kinote.peers.entities import ALL_SERVICES, ServiceName
from kinote.peers.from_settings import SettingsDestination
from kinote.peers.peer import Endpoint, EndpointKind, PeerRight, WantedPeer
from kinote.settings.values import (
    certificate,
    host_name,
    peer_name,
)

#: An AE title.
Title = Annotated[str, AfterValidator(ae_title)]


class EntitySettings(BaseModel):
    """Another application entity, as the administrator describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Title
    host: Annotated[str, AfterValidator(host_name)] | None = None
    port: int | None = Field(None, ge=1, le=65535)
    tls: bool = False
    check_name: bool = True
    certificates: tuple[Annotated[str, AfterValidator(certificate)], ...] = ()
    services: frozenset[ServiceName] = ALL_SERVICES
    rights: frozenset[PeerRight] = frozenset()
    description: str = ""

    def peer(self) -> WantedPeer:
        """Return it as a peer. Its title is its name, and the AE title by which it calls and is called."""
        endpoint = Endpoint(EndpointKind.DIMSE, self.title, self.host, self.port, self.tls, self.check_name)
        return WantedPeer(
            self.title,
            self.description,
            ae_titles=(self.title,),
            hosts=(self.host,) if self.host else (),
            certificates=self.certificates,
            services=self.services,
            rights=self.rights,
            endpoints=(endpoint,) if self.host and self.port else (),
        )


class DestinationSettings(BaseModel):
    """Where objects are sent, as the administrator names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(peer_name)]
    peer: str
    description: str = ""
    content: Content = Content.ALL
    associations: int = Field(1, ge=1, le=MOST_ASSOCIATIONS)
    rejection_notes: bool = False
    availability: bool = False
    transfer_syntaxes: tuple[str, ...] = ()
    bytes_per_second: int = Field(0, ge=0, le=MOST_BYTES_PER_SECOND)
    hours: str = ""
    downtime_from: str = ""
    downtime_until: str = ""
    downtime_why: str = ""
    queried: bool = True
    pulled: Content = Content.ALL
    pulled_without_notes: WithoutNotes = WithoutNotes.ALL

    def destination(self) -> SettingsDestination:
        policy = policy_of(self.model_dump())
        return SettingsDestination(self.name, self.peer, self.description, policy=policy)
