"""The command line. Commands that need the store use the server that has it open, if there is one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.markup import escape

from kinote.app import HouseError, open_house
from kinote.command import doctor, network
from kinote.command.check import Checked, check_files
from kinote.command.client import Client, ServerError
from kinote.command.output import FAILED, USAGE, fail, out, progress
from kinote.command.serve import Addresses, PortTakenError
from kinote.command.serve import serve as serve_house
from kinote.demo.loading import DemoError, load_demo
from kinote.intake.importing import Report, Sink, import_sources, local_sink
from kinote.keyobject.findings import RULES, Severity
from kinote.keyobject.reading import Registration
from kinote.lifecycle.account import account as account_of
from kinote.lifecycle.explain import explain as explain_instance
from kinote.media import sources as importable
from kinote.settings.model import Settings, SettingsError, read_settings
from kinote.storage.data_directory import DataDirectoryInUseError, running_server
from kinote.telemetry.logs import set_up_logs

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Kinote, a Key Image Notes server.")
for command in (network.echo, network.find, network.send, doctor.doctor):
    app.command()(command)

DataOption = Annotated[
    Path | None, typer.Option("--data", help="The data directory. [default: ./kinote-data]")
]
PortOption = Annotated[
    int | None, typer.Option("--http-port", help="The port to listen on; 0 takes a free one.")
]
HostOption = Annotated[str | None, typer.Option("--http-host", help="The loopback address to listen on.")]
DicomPortOption = Annotated[
    int | None, typer.Option("--dicom-port", help="The port for DICOM; 0 takes a free one.")
]
DicomHostOption = Annotated[
    str | None, typer.Option("--dicom-host", help="The address to listen on for DICOM.")
]
TitleOption = Annotated[
    list[str] | None, typer.Option("--ae-title", help="Our AE title for DICOM; several may be given.")
]
DatabaseOption = Annotated[
    str | None, typer.Option("--database", help="Address of a PostgreSQL database, instead of SQLite.")
]


def main() -> None:
    try:
        app()
    except (DataDirectoryInUseError, DemoError, HouseError, PortTakenError, ServerError) as error:
        fail(str(error))


@app.command()
def serve(
    data: DataOption = None,
    http_port: PortOption = None,
    http_host: HostOption = None,
    dicom_port: DicomPortOption = None,
    dicom_host: DicomHostOption = None,
    ae_titles: TitleOption = None,
    database: DatabaseOption = None,
) -> None:
    """Run the server."""
    settings = _settings(
        data=data,
        http_port=http_port,
        http_host=http_host,
        dicom_port=dicom_port,
        dicom_host=dicom_host,
        ae_titles=ae_titles or None,
        database=database,
    )
    set_up_logs(as_json=settings.log_json)
    with open_house(settings, "serve") as house:
        serve_house(house, settings, _announce)


@app.command()
def demo(data: DataOption = None, http_port: PortOption = None, dicom_port: DicomPortOption = None) -> None:
    """Run the server with demo studies, in ./kinote-demo unless --data says otherwise."""
    settings = _settings(data=data or Path("kinote-demo"), http_port=http_port, dicom_port=dicom_port)
    set_up_logs(as_json=settings.log_json)
    with open_house(settings, "serve") as house:
        with out.status("Loading the demo studies"):
            load_demo(house.catalog, house.receiver, house.clock)
        serve_house(house, settings, _announce_demo)


def _announce(addresses: Addresses) -> None:
    out.print(f"Kinote is at [bold]{addresses.url}[/bold]")
    _announce_dicom(addresses)


def _announce_demo(addresses: Addresses) -> None:
    out.print(f"Open [bold]{addresses.url}[/bold] in a browser.")
    _announce_dicom(addresses)


def _announce_dicom(addresses: Addresses) -> None:
    for address in addresses.dicom:
        out.print(f"DICOM at [bold]{address}[/bold]", highlight=False)


@app.command("import")
def import_files(
    paths: Annotated[list[Path], typer.Argument(help="Folders, ZIP files, DICOMDIRs or DICOM files.")],
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Bring files into the store, and report what was taken, known already, held and refused."""
    for path in paths:
        if not path.exists():
            fail(f"{path} does not exist.", USAGE)
    report = Report()
    with _sink(_settings(data=data)) as sink, progress() as bars:
        bar = bars.add_task("Importing", total=importable.count(paths))
        for imported in import_sources(importable.sources(paths), sink):
            report.add(imported)
            bars.advance(bar)
    _print_report(report, as_json=as_json)
    # A text file on a medium is passed over and listed; an object that was refused is a failure.
    if any(item.outcome.status for item in report.refused):
        raise typer.Exit(FAILED)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Key objects, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check key objects without a server; exit status 1 where one has errors."""
    checked: list[Checked] = []
    for item in check_files(files):
        checked.append(item)
        if not as_json:
            _print_checked(item)
    if as_json:
        print(json.dumps([asdict(item) for item in checked], ensure_ascii=False, indent=1))
    elif len(checked) > 1:
        _print_summary(checked)
    if any(finding.severity == "error" for item in checked for finding in item.findings):
        raise typer.Exit(FAILED)


@app.command()
def explain(uid: Annotated[str, typer.Argument(help="A SOP Instance UID.")], data: DataOption = None) -> None:
    """Say why an instance is or is not to be seen."""
    settings = _settings(data=data)
    if url := running_server(settings.data):
        found = Client(url).get(f"/api/v1/instances/{uid}/explain")
        copies = found["items"] if found else []
    else:
        with open_house(settings, "look") as house, house.catalog.read() as connection:
            copies = [asdict(item) for item in explain_instance(connection, uid)]
    if not copies:
        fail(f"Kinote has never had an instance {uid}.")
    for copy in copies:
        out.print(
            f"[bold]{escape(uid)}[/bold] in study {escape(copy['study_instance_uid'])}", highlight=False
        )
        for sentence in copy["sentences"]:
            out.print(f"  {sentence}", highlight=False, markup=False)
        for finding in copy["findings"]:
            out.print(f"  {finding['code']}: {finding['text']}", highlight=False, markup=False)


@app.command()
def account(
    study_uid: Annotated[str, typer.Argument(help="A Study Instance UID.")], data: DataOption = None
) -> None:
    """Count what a study holds, by standing, residence and registration, with every UID, as JSON."""
    settings = _settings(data=data)
    if url := running_server(settings.data):
        found = Client(url).get(f"/api/v1/studies/{study_uid}/account")
    else:
        with open_house(settings, "look") as house, house.catalog.read() as connection:
            counted = account_of(connection, study_uid)
            found = asdict(counted) if counted else None
    if found is None:
        fail(f"Kinote has never had a study {study_uid}.")
    print(json.dumps(found, indent=1))


@contextmanager
def _sink(settings: Settings) -> Iterator[Sink]:
    """Into the running server, or into the data directory if none runs."""
    if url := running_server(settings.data):
        client = Client(url)
        try:
            yield client.store
        finally:
            client.close()
        return
    with open_house(settings) as house:
        yield local_sink(house.receiver)


def _print_checked(item: Checked) -> None:
    colour = _COLOURS[_severity(item)]
    out.print(f"[bold]{escape(item.file)}[/bold]: [{colour}]{item.registration}[/{colour}]", highlight=False)
    for finding in item.findings:
        colour = _COLOURS[finding.severity]
        place = f" {finding.place}" if finding.place else ""
        out.print(
            f"  [{colour}]{finding.code}[/{colour}]{escape(f'{place}: {finding.text}')}", highlight=False
        )


def _print_summary(checked: list[Checked]) -> None:
    """How many there are of each kind, and which findings are the most frequent."""
    kinds = Counter(item.registration for item in checked)
    said = ", ".join(f"{kinds[kind]} {kind}" for kind in get_args(Registration) if kinds[kind])
    out.print(f"\n[bold]{len(checked)} files[/bold]: {said}.", highlight=False)
    found = Counter(finding.code for item in checked for finding in item.findings)
    for code, times in found.most_common():
        out.print(f"  {times:>6}  [{_COLOURS[RULES[code].severity]}]{code}", highlight=False)


def _severity(item: Checked) -> Severity:
    """The worst of what was found."""
    severities = {finding.severity for finding in item.findings}
    return "error" if "error" in severities else "warning" if "warning" in severities else "info"


_COLOURS: dict[Severity, str] = {"error": "red", "warning": "yellow", "info": "cyan"}


def _print_report(report: Report, *, as_json: bool) -> None:
    if as_json:
        listed = {
            kind: [{"name": item.name, "reason": item.outcome.reason} for item in items]
            for kind, items in (("held", report.held), ("refused", report.refused))
        }
        print(json.dumps({"counts": report.counts, **listed}, ensure_ascii=False, indent=1))
        return
    counts = report.counts
    out.print(
        f"{counts['stored']} taken, {counts['known']} known already, "
        f"{counts['held']} held, {counts['refused']} refused."
    )
    for title, items in (("Held, for the administrator to decide", report.held), ("Refused", report.refused)):
        if items:
            out.print(f"[bold]{title}[/bold]")
        for item in items:
            out.print(f"  {item.name}: {item.outcome.reason}", highlight=False, markup=False)
    if report.with_findings:
        out.print(f"{len(report.with_findings)} key objects have findings; see `kinote check`.")


def _settings(**given: Any) -> Settings:
    try:
        return read_settings(**{name: value for name, value in given.items() if value is not None})
    except SettingsError as error:
        fail(str(error), USAGE)
