"""The commands that run the server: `serve` and `demo`."""

from __future__ import annotations

import logging

from kinote.app import open_application
from kinote.command.output import out
from kinote.command.serving import running
from kinote.command.serving.running import Addresses
from kinote.command.store.begun import Begun
from kinote.demo.loading import load_demo
from kinote.telemetry.logs import set_up_logs


def run_server(begun: Begun) -> None:
    """Run the server until it is stopped."""
    _write_log(begun)
    with open_application(begun.settings, "serve") as application:
        running.serve(application, begun.settings, _announce)


def run_demo(begun: Begun) -> None:
    """Run the server with demo studies until it is stopped."""
    _write_log(begun)
    with open_application(begun.settings, "serve") as application:
        with out.status("Loading the demo studies"):
            load_demo(application.catalog, application.receiver, application.clock)
        running.serve(application, begun.settings, _announce_demo)


def _write_log(begun: Begun) -> None:
    level = logging.getLevelNamesMapping()[begun.settings.log_level.upper()]
    set_up_logs(as_json=begun.settings.log_json, level=level)


def _announce(addresses: Addresses) -> None:
    out.print(f"Kinote is at [bold]{addresses.url}[/bold]")
    _announce_dicom(addresses)


def _announce_demo(addresses: Addresses) -> None:
    out.print(f"Open [bold]{addresses.url}[/bold] in a browser.")
    _announce_dicom(addresses)


def _announce_dicom(addresses: Addresses) -> None:
    for address in addresses.dicom:
        out.print(f"DICOM at [bold]{address}[/bold]", highlight=False)
