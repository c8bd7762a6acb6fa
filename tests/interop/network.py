"""A Kinote on a network of peers: its settings, its addresses, and whose certificates are believed there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.transport.tls import TlsOptions
from tests.demo_data import copied
from tests.dimse.certificates import Authority, Identity, options
from tests.interop.peers import peer
from tests.running_server import RunningServer

#: How Kinote is called if its settings do not say otherwise.
TITLE = "KINOTE"


class Certificates:
    """One authority, and what it signed: ours, and that of all peers."""

    def __init__(self, folder: Path) -> None:
        peer("openssl")
        folder.mkdir()
        self.authority = Authority(folder)
        self.ours = self.authority.issue("ours")
        self.theirs = self.authority.issue("theirs")

    def as_user(self, own: Identity | None = None) -> TlsOptions:
        """For one who calls others, with a certificate or without."""
        return options(own, self.authority)


@dataclass(frozen=True, slots=True)
class Kinote:
    """A running Kinote: its HTTP face, and its ports for DICOM without and with TLS."""

    server: RunningServer
    client: httpx.Client
    plain: int
    secure: int

    def entity(self, *, secure: bool = False) -> ApplicationEntity:
        return ApplicationEntity(TITLE, "127.0.0.1", self.secure if secure else self.plain, tls=secure)


@contextmanager
def kinote(
    folder: Path,
    certificates: Certificates,
    entities: Sequence[ApplicationEntity] = (),
    *,
    client_certificates: bool = False,
    ae_titles: Sequence[str] = (TITLE,),
    begins_with: Path | None = None,
) -> Iterator[Kinote]:
    """Kinote with these entities in its settings, on free ports; it begins with a copy of a data directory."""
    folder.mkdir()
    if begins_with is not None:
        copied(begins_with, folder / "data")
    lines = [
        f"ae_titles = {json.dumps(ae_titles)}",
        "dicom_tls_port = 0",
        f'tls_certificate = "{certificates.ours.certificate}"',
        f'tls_key = "{certificates.ours.key}"',
        f'tls_authorities = "{certificates.authority.certificate}"',
        f"tls_client_certificates = {str(client_certificates).lower()}",
    ]
    for each in entities:
        lines += ["[[entities]]", f'title = "{each.title}"', f'host = "{each.host}"', f"port = {each.port}"]
        lines += [f"tls = {str(each.tls).lower()}"]
    (folder / "kinote.toml").write_text("\n".join(lines))
    server = RunningServer(folder / "data")
    try:
        with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as client:
            yield Kinote(server, client, *server.dicom_ports(2))
    finally:
        server.stop()
