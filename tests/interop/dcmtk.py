"""DCMTK's servers, and what its programs are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kinote.dimse.entity import ApplicationEntity
from tests.dimse.certificates import Identity
from tests.interop.network import Certificates
from tests.interop.peers import running


def tls(certificates: Certificates, own: Identity | None) -> tuple[Path | str, ...]:
    """The options of its programs that have them: TLS with a certificate, or without one."""
    shown = ("+tls", own.key, own.certificate) if own else ("+tla",)
    return (*shown, "+cf", certificates.authority.certificate)


@contextmanager
def storescp(folder: Path, entity: ApplicationEntity, *arguments: Path | str) -> Iterator[Path]:
    """It takes whatever comes, bit by bit as it comes; the folder in which that is."""
    received = folder / "received"
    received.mkdir(parents=True)
    # Bit preserving needs the data to be stored under names of their own; all classes, all transfer syntaxes.
    options = ("--promiscuous", "+xa", "+B", "-uf", "-od", received, "-aet", entity.title)
    with running(
        entity.port or 0, folder / "storescp.log", "storescp", *options, *arguments, str(entity.port)
    ):
        yield received


@contextmanager
def dcmqrscp(
    folder: Path, entity: ApplicationEntity, callers: Sequence[ApplicationEntity]
) -> Iterator[ApplicationEntity]:
    """An archive, which knows where its callers listen."""
    (folder / "store").mkdir(parents=True)
    peers = ", ".join(f"({each.title}, 127.0.0.1, {each.port})" for each in callers)
    settings = folder / "dcmqrscp.cfg"
    settings.write_text(
        f"""
NetworkTCPPort  = {entity.port}
MaxPDUSize      = 131072
MaxAssociations = 16
HostTable BEGIN
callers = {peers}
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{entity.title} {folder / "store"} RW (100, 1024mb) ANY
AETable END
"""
    )
    # Of compressed images it takes those it is told to.
    arguments = ("+xr", "-c", settings, str(entity.port))
    with running(entity.port or 0, folder / "dcmqrscp.log", "dcmqrscp", *arguments):
        yield entity
