"""The syntax of `kinote peers` and `kinote destinations`; `peers` and `destinations` have the actions."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

peers = Commands(name="peers", no_args_is_help=True, help="The other systems that are known.")
destinations = Commands(name="destinations", no_args_is_help=True, help="Where objects are sent.")

PeerName = Annotated[str, typer.Argument(help="A peer by its name, an AE title of it, or its number.")]
NewName = Annotated[str, typer.Argument(help="The name under which people know it.")]
EndedOption = Annotated[bool, typer.Option("--ended", help="With those that were removed.")]
DescriptionOption = Annotated[str | None, typer.Option("--description", help="A note about it.")]
RenamedOption = Annotated[str | None, typer.Option("--name", help="Another name for it.")]
EnabledOption = Annotated[
    bool | None, typer.Option("--enabled/--disabled", help="Whether it is let in and called.")
]
TitlesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ae-title",
        help="An AE title by which it calls; may be repeated. Otherwise those of its endpoints. `none`: by none.",
    ),
]
HostsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        help="A host from which it calls; may be repeated. Otherwise those of its endpoints. `any`: from any.",
    ),
]
CertificatesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--certificate",
        help="A certificate that it shows by TLS: `sha256:` and the fingerprint, or its subject; `none`: it need not.",
    ),
]
ServicesOption = Annotated[
    list[str] | None,
    typer.Option("--service", help="echo, store, find, move or get: what it may ask for; `none`: nothing."),
]
RightsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--right",
        help="reject, correct: what of it takes effect here; examine: may query what is removed; `none`: no right.",
    ),
]
DicomOption = Annotated[
    list[str] | None,
    typer.Option("--dicom", help="TITLE@host:port where it takes associations; `none`: nowhere."),
]
DicomwebOption = Annotated[
    list[str] | None,
    typer.Option("--dicomweb", help="The base URL of its DICOMweb service; `none`: it has none."),
]
MllpOption = Annotated[
    list[str] | None, typer.Option("--mllp", help="host:port where it takes HL7 messages; `none`: nowhere.")
]
FolderOption = Annotated[
    list[str] | None,
    typer.Option("--folder", help="A folder of the server by its whole path; `none`: it has none."),
]
TlsOption = Annotated[bool, typer.Option("--tls", help="It is called by TLS at --dicom and --mllp.")]
AnyCertificateOption = Annotated[
    bool, typer.Option("--any-certificate-name", help="Its certificate need not be for its host.")
]


@peers.command("list")
def list_peers(data: DataOption = None, ended: EndedOption = False, as_json: JsonOption = False) -> None:
    """List the peers by name."""
    with begin(data=data) as begun:
        from kinote.command.systems import peers as peer_commands

        peer_commands.list_peers(begun, ended=ended, as_json=as_json)


@peers.command("show")
def show_peer(peer: PeerName, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show all that is known of a peer."""
    with begin(data=data) as begun:
        from kinote.command.systems import peers as peer_commands

        peer_commands.show_peer(begun, peer, as_json=as_json)


@peers.command("add")
def add_peer(
    name: NewName,
    data: DataOption = None,
    dicom: DicomOption = None,
    dicomweb: DicomwebOption = None,
    mllp: MllpOption = None,
    folder: FolderOption = None,
    tls: TlsOption = False,
    any_certificate_name: AnyCertificateOption = False,
    ae_titles: TitlesOption = None,
    hosts: HostsOption = None,
    certificates: CertificatesOption = None,
    services: ServicesOption = None,
    rights: RightsOption = None,
    description: DescriptionOption = None,
    enabled: EnabledOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a peer. A running server knows it immediately."""
    with begin(data=data) as begun:
        from kinote.command.systems import peers as peer_commands

        given = peer_commands.Given(
            addresses={"dimse": dicom, "dicomweb": dicomweb, "mllp": mllp, "folder": folder},
            tls=tls,
            check_name=not any_certificate_name,
            lists={
                "ae_titles": ae_titles,
                "hosts": hosts,
                "certificates": certificates,
                "services": services,
                "rights": rights,
            },
            values={"description": description, "enabled": enabled},
        )
        peer_commands.add_peer(begun, name, given, as_json=as_json)


@peers.command("change")
def change_peer(
    peer: PeerName,
    data: DataOption = None,
    name: RenamedOption = None,
    dicom: DicomOption = None,
    dicomweb: DicomwebOption = None,
    mllp: MllpOption = None,
    folder: FolderOption = None,
    tls: TlsOption = False,
    any_certificate_name: AnyCertificateOption = False,
    ae_titles: TitlesOption = None,
    hosts: HostsOption = None,
    certificates: CertificatesOption = None,
    services: ServicesOption = None,
    rights: RightsOption = None,
    description: DescriptionOption = None,
    enabled: EnabledOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the given fields of a peer. The given endpoints replace all others of the same kind."""
    with begin(data=data) as begun:
        from kinote.command.systems import peers as peer_commands

        given = peer_commands.Given(
            addresses={"dimse": dicom, "dicomweb": dicomweb, "mllp": mllp, "folder": folder},
            tls=tls,
            check_name=not any_certificate_name,
            lists={
                "ae_titles": ae_titles,
                "hosts": hosts,
                "certificates": certificates,
                "services": services,
                "rights": rights,
            },
            values={"name": name, "description": description, "enabled": enabled},
        )
        peer_commands.change_peer(begun, peer, given, as_json=as_json)


@peers.command("remove")
def remove_peer(peer: PeerName, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Remove a peer: it is not called any more, and not recognized by name."""
    with begin(data=data) as begun:
        from kinote.command.systems import peers as peer_commands

        peer_commands.remove_peer(begun, peer, as_json=as_json)


@peers.command("echo")
def echo_peer(
    peer: PeerName,
    data: DataOption = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="The address or number of an endpoint of it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Test whether a peer responds: C-ECHO, a search by DICOMweb, a connection, or a look at the folder."""
    with begin(data=data) as begun:
        from kinote.command.systems import peers as peer_commands

        peer_commands.echo_peer(begun, peer, endpoint, as_json=as_json)


DestinationName = Annotated[str, typer.Argument(help="A destination by its name or number.")]
ContentOption = Annotated[
    Literal["all", "key images", "notes"] | None,
    typer.Option("--content", help="What is sent: all; key images with what goes with them; or notes only."),
]
AssociationsOption = Annotated[
    int | None, typer.Option("--associations", min=1, help="How many associations are used at once.")
]
RejectionsOption = Annotated[
    bool | None,
    typer.Option("--rejection-notes/--no-rejection-notes", help="Whether it understands rejection notes."),
]
AvailabilityOption = Annotated[
    bool | None,
    typer.Option(
        "--availability/--no-availability",
        help="Whether it is told which instances of a study are available (Instance Availability Notification).",
    ),
]
SpeedOption = Annotated[
    int | None,
    typer.Option("--bytes-per-second", min=0, help="The speed limit of a delivery; 0 for none."),
]
HoursOption = Annotated[
    str | None,
    typer.Option("--hours", help="When deliveries go out, HH:MM-HH:MM in server time; empty for any time."),
]
DowntimeFromOption = Annotated[
    str | None,
    typer.Option(
        "--downtime-from", help="When a planned downtime begins, ISO 8601 with offset; empty for none."
    ),
]
DowntimeUntilOption = Annotated[str | None, typer.Option("--downtime-until", help="When it ends.")]
DowntimeWhyOption = Annotated[str | None, typer.Option("--downtime-why", help="Why it is.")]
QueriedOption = Annotated[
    bool | None,
    typer.Option("--queried/--not-queried", help="Whether it is asked after a delivery what it has."),
]
PulledOption = Annotated[
    Literal["all", "key images", "notes"] | None,
    typer.Option("--pulled", help="What it gets of whole studies that it retrieves by C-MOVE or C-GET."),
]
PulledWithoutNotesOption = Annotated[
    Literal["all", "nothing"] | None,
    typer.Option("--pulled-without-notes", help="What it gets of a study that has nothing of that."),
]
EndpointOption = Annotated[
    str | None,
    typer.Option("--endpoint", help="The address or number of an endpoint of the peer; otherwise the first."),
]
SentOption = Annotated[
    bool | None, typer.Option("--enabled/--disabled", help="Whether anything is sent there.")
]


@destinations.command("list")
def list_destinations(
    data: DataOption = None, ended: EndedOption = False, as_json: JsonOption = False
) -> None:
    """List the destinations by name."""
    with begin(data=data) as begun:
        from kinote.command.systems import destinations as destination_commands

        destination_commands.list_destinations(begun, ended=ended, as_json=as_json)


@destinations.command("show")
def show_destination(
    destination: DestinationName, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Show all that is known of a destination."""
    with begin(data=data) as begun:
        from kinote.command.systems import destinations as destination_commands

        destination_commands.show_destination(begun, destination, as_json=as_json)


@destinations.command("add")
def add_destination(
    name: NewName,
    peer: PeerName,
    data: DataOption = None,
    endpoint: EndpointOption = None,
    content: ContentOption = None,
    associations: AssociationsOption = None,
    rejection_notes: RejectionsOption = None,
    availability: AvailabilityOption = None,
    bytes_per_second: SpeedOption = None,
    hours: HoursOption = None,
    downtime_from: DowntimeFromOption = None,
    downtime_until: DowntimeUntilOption = None,
    downtime_why: DowntimeWhyOption = None,
    queried: QueriedOption = None,
    pulled: PulledOption = None,
    pulled_without_notes: PulledWithoutNotesOption = None,
    description: DescriptionOption = None,
    enabled: SentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a destination: an endpoint of a peer, with what is sent there and how."""
    with begin(data=data) as begun:
        from kinote.command.systems import destinations as destination_commands

        given = destination_commands.Given(
            peer,
            endpoint,
            policy={
                "content": content,
                "associations": associations,
                "rejection_notes": rejection_notes,
                "availability": availability,
                "bytes_per_second": bytes_per_second,
                "hours": hours,
                "downtime_from": downtime_from,
                "downtime_until": downtime_until,
                "downtime_why": downtime_why,
                "queried": queried,
                "pulled": pulled,
                "pulled_without_notes": pulled_without_notes,
            },
            values={"name": name, "description": description, "enabled": enabled},
        )
        destination_commands.add_destination(begun, given, as_json=as_json)


@destinations.command("change")
def change_destination(
    destination: DestinationName,
    data: DataOption = None,
    name: RenamedOption = None,
    peer: Annotated[
        str | None, typer.Option("--peer", help="Another peer by its name, AE title or number.")
    ] = None,
    endpoint: EndpointOption = None,
    content: ContentOption = None,
    associations: AssociationsOption = None,
    rejection_notes: RejectionsOption = None,
    availability: AvailabilityOption = None,
    bytes_per_second: SpeedOption = None,
    hours: HoursOption = None,
    downtime_from: DowntimeFromOption = None,
    downtime_until: DowntimeUntilOption = None,
    downtime_why: DowntimeWhyOption = None,
    queried: QueriedOption = None,
    pulled: PulledOption = None,
    pulled_without_notes: PulledWithoutNotesOption = None,
    description: DescriptionOption = None,
    enabled: SentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the given fields of a destination."""
    with begin(data=data) as begun:
        from kinote.command.systems import destinations as destination_commands

        given = destination_commands.Given(
            peer,
            endpoint,
            policy={
                "content": content,
                "associations": associations,
                "rejection_notes": rejection_notes,
                "availability": availability,
                "bytes_per_second": bytes_per_second,
                "hours": hours,
                "downtime_from": downtime_from,
                "downtime_until": downtime_until,
                "downtime_why": downtime_why,
                "queried": queried,
                "pulled": pulled,
                "pulled_without_notes": pulled_without_notes,
            },
            values={"name": name, "description": description, "enabled": enabled},
        )
        destination_commands.change_destination(begun, destination, given, as_json=as_json)


@destinations.command("test")
def test_destination(
    destination: DestinationName, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Test whether a destination responds, and show what it accepts."""
    with begin(data=data) as begun:
        from kinote.command.systems import destinations as destination_commands

        destination_commands.test_destination(begun, destination, as_json=as_json)


@destinations.command("remove")
def remove_destination(
    destination: DestinationName, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Remove a destination: nothing is sent there any more."""
    with begin(data=data) as begun:
        from kinote.command.systems import destinations as destination_commands

        destination_commands.remove_destination(begun, destination, as_json=as_json)
