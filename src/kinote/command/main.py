"""The syntax of the command line. The action of a command is in its own file, which is imported when it runs.

`--help`, `--version` and `check` therefore need the base package only, and start immediately.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import kinote
from kinote.command import conformance_typed
from kinote.command.access import typed as access_typed
from kinote.command.archives import typed as archives_typed
from kinote.command.deliveries import typed as deliveries_typed
from kinote.command.lifecycle import held_typed, purges_typed, rejections_typed, withdrawals_typed
from kinote.command.migrations import notes_typed
from kinote.command.migrations import typed as migrations_typed
from kinote.command.operations import alerts_typed, backups_typed, jobs_typed
from kinote.command.output import out
from kinote.command.permitted import Commands
from kinote.command.retention import typed as retention_typed
from kinote.command.routes import typed as routes_typed
from kinote.command.systems import typed as systems_typed
from kinote.command.typed import CONFIG, DataOption
from kinote.command.typed import begin as _begun

app = Commands(no_args_is_help=True, add_completion=False, help="Kinote, a Key Image Notes server.")
app.add_typer(systems_typed.peers)
app.add_typer(systems_typed.destinations)
app.add_typer(archives_typed.archives)
app.add_typer(deliveries_typed.deliveries)
app.add_typer(deliveries_typed.notices)
app.add_typer(withdrawals_typed.withdrawals)
app.add_typer(held_typed.held)
app.add_typer(backups_typed.adopted)
app.add_typer(notes_typed.notes)
app.add_typer(migrations_typed.migrate)
app.add_typer(jobs_typed.jobs)
app.add_typer(rejections_typed.rejections)
app.add_typer(purges_typed.purges)
app.add_typer(retention_typed.retention)
app.add_typer(alerts_typed.alerts)
app.add_typer(access_typed.users)
app.add_typer(access_typed.tokens)
app.command()(access_typed.audit)
app.command()(deliveries_typed.deliver)
app.command()(withdrawals_typed.withdraw)
app.command()(backups_typed.backup)
app.command()(backups_typed.restore)
app.command()(conformance_typed.conformance)
app.add_typer(routes_typed.routes)

PortOption = Annotated[
    int | None, typer.Option("--http-port", help="The port to listen on; 0 takes a free one.")
]
HostOption = Annotated[str | None, typer.Option("--http-host", help="The address to listen on.")]
DicomPortOption = Annotated[
    int | None, typer.Option("--dicom-port", help="The port for DICOM; 0 takes a free one.")
]
DicomHostOption = Annotated[
    str | None, typer.Option("--dicom-host", help="The address to listen on for DICOM.")
]
TitlesOption = Annotated[
    list[str] | None, typer.Option("--ae-title", help="Our AE title for DICOM; several may be given.")
]
DatabaseOption = Annotated[
    str | None, typer.Option("--database", help="Address of a PostgreSQL database, instead of SQLite.")
]
PeerArgument = Annotated[str, typer.Argument(help="A peer by its name or AE title, or TITLE@host:port.")]
TlsOption = Annotated[bool, typer.Option("--tls", help="Call TITLE@host:port by TLS.")]
TitleOption = Annotated[str | None, typer.Option("--ae-title", help="The AE title to call with.")]


def main() -> None:
    app()


def _print_version(is_asked: bool) -> None:
    if is_asked:
        out.print(f"kinote {kinote.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def kinote_command(
    version: Annotated[
        bool,
        typer.Option("--version", help="Say which version this is.", is_eager=True, callback=_print_version),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The file with settings, in place of ./kinote.toml."),
    ] = None,
) -> None:
    """Kinote, a Key Image Notes server."""
    CONFIG.set(config)


@app.command()
def serve(
    data: DataOption = None,
    http_port: PortOption = None,
    http_host: HostOption = None,
    dicom_port: DicomPortOption = None,
    dicom_host: DicomHostOption = None,
    ae_titles: TitlesOption = None,
    database: DatabaseOption = None,
) -> None:
    """Run the server."""
    with _begun(
        data=data,
        http_port=http_port,
        http_host=http_host,
        dicom_port=dicom_port,
        dicom_host=dicom_host,
        ae_titles=ae_titles or None,
        database=database,
    ) as begun:
        from kinote.command.serving import commands as serving_commands

        serving_commands.run_server(begun)


@app.command()
def demo(data: DataOption = None, http_port: PortOption = None, dicom_port: DicomPortOption = None) -> None:
    """Run the server with demo studies, in ./kinote-demo unless --data says otherwise."""
    with _begun(data=data or Path("kinote-demo"), http_port=http_port, dicom_port=dicom_port) as begun:
        from kinote.command.serving import commands as serving_commands

        serving_commands.run_demo(begun)


@app.command("import")
def import_files(
    paths: Annotated[
        list[Path], typer.Argument(help="Folders, ZIP files, ISO images, DICOMDIRs or DICOM files.")
    ],
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Import files into the store, and report what was stored, already known, held and refused."""
    with _begun(data=data) as begun:
        from kinote.command import importing

        importing.import_files(begun, paths, as_json=as_json)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Key objects, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check key objects without a server; exit status 1 if one has errors."""
    from kinote.command import check as checking

    checking.check(files, as_json=as_json)


@app.command()
def echo(
    peer: PeerArgument, data: DataOption = None, tls: TlsOption = False, ae_title: TitleOption = None
) -> None:
    """Test whether another application entity responds (C-ECHO)."""
    with _begun(data=data, ae_titles=ae_title and [ae_title]) as begun:
        from kinote.command.network import commands as network_commands

        network_commands.echo(begun, peer, tls=tls)


@app.command()
def find(
    peer: PeerArgument,
    keys: Annotated[
        list[str],
        typer.Argument(
            help="Keyword=value to match, Keyword to be told; ConceptNameCodeSequence.CodeValue=…"
        ),
    ],
    level: Annotated[
        Literal["PATIENT", "STUDY", "SERIES", "IMAGE"],
        typer.Option("--level", help="What to look for.", case_sensitive=False),
    ] = "STUDY",
    as_json: Annotated[bool, typer.Option("--json", help="Print DICOM JSON.")] = False,
    data: DataOption = None,
    tls: TlsOption = False,
    ae_title: TitleOption = None,
) -> None:
    """Query another application entity (C-FIND)."""
    with _begun(data=data, ae_titles=ae_title and [ae_title]) as begun:
        from kinote.command.network import commands as network_commands

        network_commands.find(begun, peer, keys, level, as_json=as_json, tls=tls)


@app.command()
def send(
    peer: PeerArgument,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders, ZIP files, ISO images, DICOMDIRs or DICOM files.")
    ] = None,
    studies: Annotated[
        list[str] | None, typer.Option("--study", help="Send what is live of a study; its UID.")
    ] = None,
    series: Annotated[
        list[str] | None, typer.Option("--series", help="Send what is live of a series; its UID.")
    ] = None,
    instances: Annotated[
        list[str] | None, typer.Option("--instance", help="Send an instance; its SOP Instance UID.")
    ] = None,
    notes: Annotated[
        list[int] | None, typer.Option("--note", help="Send a note with the images it flags; its number.")
    ] = None,
    data: DataOption = None,
    associations: Annotated[
        int, typer.Option("--associations", min=1, max=32, help="How many associations to send on at once.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    tls: TlsOption = False,
    ae_title: TitleOption = None,
) -> None:
    """Send files, or objects of the store, to another application entity (C-STORE); report what it did not accept."""
    with _begun(data=data, ae_titles=ae_title and [ae_title]) as begun:
        from kinote.command.network import commands as network_commands
        from kinote.command.network.named_objects import Named

        named = Named(tuple(studies or ()), tuple(series or ()), tuple(instances or ()), tuple(notes or ()))
        network_commands.send(
            begun, peer, paths or [], named, associations=associations, as_json=as_json, tls=tls
        )


@app.command()
def export(
    studies: Annotated[
        list[str] | None, typer.Option("--study", help="Export what is live of a study; its UID.")
    ] = None,
    notes: Annotated[
        list[int] | None, typer.Option("--note", help="Export a note with all it refers to; its number.")
    ] = None,
    key_images: Annotated[
        bool,
        typer.Option("--key-images", help="Of studies, only the key images, with their notes."),
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Write a folder, which has to be empty or new.")
    ] = None,
    zip_file: Annotated[Path | None, typer.Option("--zip", help="Write a ZIP file.")] = None,
    iso: Annotated[Path | None, typer.Option("--iso", help="Write an ISO 9660 image, for a CD.")] = None,
    profile: Annotated[
        str, typer.Option("--profile", help="The application profile of PS3.11.", show_default=True)
    ] = "STD-GEN-CD",
    size_limit: Annotated[
        int | None,
        typer.Option("--size-limit", min=10, help="MB of one file set; there are as many as needed."),
    ] = None,
    recipient: Annotated[
        str, typer.Option("--recipient", help="Who is given it; recorded, and named when it is withdrawn.")
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why it is exported; recorded.")] = "",
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Write studies and notes as DICOM file sets with pages for people, and read them back."""
    with _begun(data=data) as begun:
        from kinote.command.media import export as exporting

        asked = {
            "studies": studies or [],
            "notes": notes or [],
            "content": "key images" if key_images else "all",
            "profile": profile,
            "size_limit": size_limit and size_limit * 1_000_000,
            "recipient": recipient,
            "reason": reason,
        }
        exporting.export(begun, exporting.Target(folder, zip_file, iso), asked, as_json=as_json)


@app.command()
def doctor(
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what has changed as JSON.")] = False,
    adopt_index: Annotated[
        bool,
        typer.Option("--adopt", help="Take this index for the one of this data directory, and nothing else."),
    ] = False,
    scrub_all: Annotated[
        bool, typer.Option("--scrub", help="Read and compare all stored bytes, and nothing else.")
    ] = False,
    laws: Annotated[
        bool,
        typer.Option(
            "--laws", help="Look at the store against the laws, change nothing, and do nothing else."
        ),
    ] = False,
    journal: Annotated[
        bool,
        typer.Option("--journal", help="Compare the journal of rare acts with the index, and nothing else."),
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Build an index from files and journal, where it and its backups are lost."
        ),
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Set all files aside that the index does not know, and nothing else."),
    ] = False,
    trail: Annotated[
        bool,
        typer.Option("--audit", help="Check the hash chain of the audit trail, and nothing else."),
    ] = False,
) -> None:
    """Read key objects again after an update: those with findings, and those read by an older version. Report what is
    now understood differently.
    """
    with _begun(data=data) as begun:
        from kinote.command.operations import doctor as examining

        if adopt_index:
            examining.adopt_index(begun)
        if repair:
            examining.set_aside(begun)
        if scrub_all:
            examining.scrub(begun, as_json=as_json)
        if laws:
            examining.check_laws(begun, as_json=as_json)
        if trail:
            from kinote.command.access import trail as audit_trail

            audit_trail.check(begun, as_json=as_json)
        if rebuild:
            from kinote.command.operations import backups

            backups.rebuild(begun, as_json=as_json)
        if journal:
            examining.compare_journal(begun, as_json=as_json)
        if not (adopt_index or repair or scrub_all or laws or trail or journal or rebuild):
            examining.read_again(begun, as_json=as_json)


@app.command()
def explain(
    uid: Annotated[str, typer.Argument(help="A SOP Instance UID.")] = "",
    accession: Annotated[str, typer.Option("--accession", help="An accession number.")] = "",
    patient: Annotated[str, typer.Option("--patient", help="A patient ID.")] = "",
    study: Annotated[str, typer.Option("--study", help="A Study Instance UID.")] = "",
    sender: Annotated[str, typer.Option("--sender", help="The AE title that sent it.")] = "",
    since: Annotated[str, typer.Option("--since", help="Not before this moment (ISO 8601).")] = "",
    until: Annotated[str, typer.Option("--until", help="Not after this moment (ISO 8601).")] = "",
    data: DataOption = None,
) -> None:
    """Say why something is or is not to be seen, by its UID or by what is known of it."""
    with _begun(data=data) as begun:
        from kinote.command.lifecycle import reports

        asked = {
            "accession": accession,
            "patient": patient,
            "study": study,
            "sender": sender,
            "since": since,
            "until": until,
        }
        if any(asked.values()) or not uid:
            reports.missing(begun, {"instance": uid, **asked})
        else:
            reports.explain(begun, uid)


@app.command()
def account(
    study_uid: Annotated[str, typer.Argument(help="A Study Instance UID.")], data: DataOption = None
) -> None:
    """Count what a study holds, by standing, residence and registration, with every UID, as JSON."""
    with _begun(data=data) as begun:
        from kinote.command.lifecycle import reports

        reports.account(begun, study_uid)
