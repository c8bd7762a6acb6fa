"""Peers that are recognized by the certificate that they show by TLS."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kinote.dimse import invoking
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import DimseError, RejectedError
from kinote.dimse.transport.peer_certificate import PeerCertificate, subject_of
from kinote.dimse.transport.tls import TlsOptions
from kinote.peers.known import PeersInUse
from kinote.peers.peer import WantedPeer
from kinote.scp.options import ScpOptions
from tests.dimse.certificates import Authority, Identity
from tests.peers.known import as_peer
from tests.scp.face import Face, face

IMPLICIT = ("1.2.840.10008.1.2",)


def fingerprint(identity: Identity) -> str:
    said = subprocess.run(
        ["openssl", "x509", "-in", identity.certificate, "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return "sha256:" + said.strip().partition("=")[2].replace(":", "").lower()


def is_let_in(opened: Face, by: TlsOptions | None, title: str = "CT1") -> bool:
    """Whether a caller with a certificate is let in; without TLS for None."""
    host, port = opened.server.addresses[0 if by is None else 1]
    entity = ApplicationEntity("KINOTE", host, port, by is not None)
    proposal = Proposal([(invoking.VERIFICATION, IMPLICIT)])
    try:
        with association(entity, title, proposal, tls=by or TlsOptions()) as opened_association:
            return invoking.echo(opened_association).status == 0
    except RejectedError:
        return False


def test_a_peer_with_certificates_is_let_in_with_one_of_them_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours, scanner, other = (authority.issue(name) for name in ("ours", "scanner", "other"))
    options = ScpOptions(
        port=0,
        tls_port=0,
        unknown_callers=False,
        hosts_needed=True,
        tls=TlsOptions(ours.certificate, ours.key, authority.certificate, client_certificates=True),
    )
    by = {
        name: TlsOptions(each.certificate, each.key, authority.certificate)
        for name, each in (("scanner", scanner), ("other", other))
    }
    with face(tmp_path / "data", options) as opened:
        for certificates, expected in (
            ((fingerprint(scanner),), {"scanner": True, "other": False}),
            (("CN=scanner",), {"scanner": True, "other": False}),
            (("CN=scanner", fingerprint(other)), {"scanner": True, "other": True}),
            (("CN=scan",), {"scanner": False, "other": False}),
            (("sha256:" + "0" * 64,), {"scanner": False, "other": False}),
        ):
            wanted = WantedPeer("Scanner", ae_titles=("CT1",), certificates=certificates)
            peers = PeersInUse.only(as_peer(wanted))
            opened.server._rooms = replace(opened.rooms, peers=peers)
            assert {name: is_let_in(opened, by[name]) for name in by} == expected
            # Whoever has the title, and no certificate, is not the peer.
            assert not is_let_in(opened, None)
            # A certificate is of no use for another peer's title.
            assert not is_let_in(opened, by["scanner"], "CT2")
        no_certificate = TlsOptions(authorities=authority.certificate)
        with pytest.raises(DimseError):
            is_let_in(opened, no_certificate)


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (((("commonName", "scanner"),),), "CN=scanner"),
        ((), ""),
        (
            ((("countryName", "CH"),), (("organizationName", "Hospital"),), (("commonName", "ct 1"),)),
            "CN=ct 1,O=Hospital,C=CH",
        ),
        # A common name cannot look like two names.
        (((("commonName", "scanner,O=Hospital"),),), "CN=scanner\\,O\\=Hospital"),
        (((("commonName", "a"), ("userId", "b")),), "CN=a+UID=b"),
        (((("commonName", " #x "),),), "CN=\\ #x\\ "),
    ],
    ids=["one", "none", "several", "crafted", "two in one", "spaces"],
)
def test_subjects_are_written_as_rfc_4514_says(names: object, written: str) -> None:
    assert subject_of(names) == written


def test_a_certificate_without_a_subject_is_told_by_its_fingerprint_only() -> None:
    certificate = PeerCertificate("sha256:1", "")
    assert not certificate.is_one_of(("",))
    assert certificate.is_one_of(("sha256:1",))
