"""How this server identifies itself to others when it delivers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinote.dimse.transport.tls import TlsOptions

#: The most bytes read of a file with an authorization.
_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Calling:
    """Our AE title, our TLS options, and the folder with authorizations for DICOMweb peers.

    The folder has a file for each such peer, named after the peer. It contains the header `Authorization`: `Bearer …`
    or `Basic …`. It is read for each connection, so that tokens can be renewed.
    """

    title: str
    tls: TlsOptions
    authorizations: Path | None = None

    def authorization(self, peer: str) -> str:
        """Return the header for a peer; empty if there is none. Raises `OSError` if it cannot be read."""
        if self.authorizations is None or "/" in peer or peer in (".", ".."):
            return ""
        try:
            with (self.authorizations / peer).open("rb") as file:
                return file.read(_LONGEST).decode("latin-1").strip()
        except FileNotFoundError:
            return ""
