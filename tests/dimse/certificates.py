"""Certificates made for a test by the openssl program: an authority, and what it signs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from kinote.dimse.transport.tls import TlsOptions


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key."""

    certificate: Path
    key: Path


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    """Signs certificates; its own is `certificate`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._own = self._new_key(name)
        _openssl(
            *("req", "-x509", "-key", self._own.key, "-out", self._own.certificate, "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    @property
    def certificate(self) -> Path:
        return self._own.certificate

    def issue(
        self,
        name: str,
        *,
        host: str = "IP:127.0.0.1",
        days: int = 2,
        usage: str = "serverAuth,clientAuth",
        algorithm: tuple[str, str] = ("EC", "ec_paramgen_curve:P-256"),
    ) -> Identity:
        """A certificate for `host`; negative `days` have it expired."""
        made = self._new_key(name, algorithm)
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={host}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        _openssl("req", "-new", "-key", made.key, "-out", request, "-subj", f"/CN={name}")
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._own.key),
            *("-CAcreateserial", "-out", made.certificate, "-days", str(days), "-extfile", extensions),
        )
        return made

    def _new_key(self, name: str, algorithm: tuple[str, str] = ("EC", "ec_paramgen_curve:P-256")) -> Identity:
        made = Identity(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        _openssl("genpkey", "-algorithm", algorithm[0], "-pkeyopt", algorithm[1], "-out", made.key)
        return made


def options(
    own: Identity | None, authority: Authority | None = None, *, required: bool = False
) -> TlsOptions:
    """The options of a side with that certificate, which believes that authority."""
    return TlsOptions(
        certificate=own.certificate if own else None,
        key=own.key if own else None,
        authorities=authority.certificate if authority else None,
        client_certificates=required,
    )
