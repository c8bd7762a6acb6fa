"""TLS for requestors and acceptors, following the secure transport profiles of PS3.15 Annex B.

Python's `ssl` cannot configure the cipher suites of TLS 1.3. OpenSSL's defaults for it are all AEAD.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from kinote.dimse.errors import DimseError
from kinote.dimse.transport.tls_faults import reason_of

#: OpenSSL's security level 2: at least 112 bits of security for every key, e.g. RSA with 2048 bits.
_LEVEL = "@SECLEVEL=2"

_ECDHE = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
_DHE = ("DHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES128-GCM-SHA256")


class TlsProfile(Enum):
    """The accepted cipher suites of TLS 1.2. Both profiles accept TLS 1.2 and 1.3 only.

    Peers with any profile since B.9 share a suite with us. The profile of B.13 is not offered: it requires
    Camellia-GCM, and CCM in TLS 1.3, which OpenSSL or Python's `ssl` does not support.
    """

    #: BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12).
    BCP_195 = _ECDHE
    #: Non-Downgrading and Extended BCP 195 TLS Profiles (retired: PS3.15 2022 B.10, B.11), which add DHE.
    #: Only our client uses DHE: a server without a configured Diffie-Hellman group does not choose it.
    NON_DOWNGRADING = (*_ECDHE, *_DHE)


class TlsError(DimseError):
    """A TLS handshake failed. The message says why, and on which side."""


class TlsFileError(DimseError):
    """A file with certificates or keys cannot be used. The message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Our certificate and the certificates that we trust. All files are PEM.

    `certificate`          our certificate, followed by the intermediate certificates
    `key`                  its private key, without a password; None if it is in the same file
    `authorities`          trusted certificates, of authorities or of single peers; None for those of the system
    `client_certificates`  whether clients must present a certificate that `authorities` trusts
    `profile`              the accepted cipher suites
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    client_certificates: bool = False
    profile: TlsProfile = TlsProfile.BCP_195

    def server_context(self) -> ssl.SSLContext:
        """Return the context for associations that peers open. Raises `TlsFileError` if a file cannot be used."""
        if self.certificate is None:
            raise TlsFileError("A TLS listener needs a certificate: name its file in tls_certificate.")
        context = self._context(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        # Associations are few and long, so resuming a session has no use.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
        if self.client_certificates:
            if self.authorities is None:
                raise TlsFileError(
                    "Client certificates are required, but no authorities are set: name the file with their "
                    "certificates in tls_authorities."
                )
            context.verify_mode = ssl.CERT_REQUIRED
            self._load_authorities(context)
        return context

    def client_context(self, *, check_name: bool = True) -> ssl.SSLContext:
        """Return the context for associations that we open.

        The server's certificate is always verified; its host name only with `check_name`. Raises `TlsFileError` if a
        file cannot be used.
        """
        context = self._context(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = check_name
        self._load_authorities(context)
        return context

    def _context(self, protocol: int) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.set_ciphers(":".join((*self.profile.value, _LEVEL)))
        # Lets a peer's own certificate be trusted without its authority.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self.certificate is not None:
            _load_own(context, self.certificate, self.key or self.certificate)
        return context

    def _load_authorities(self, context: ssl.SSLContext) -> None:
        if self.authorities is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
            return
        _look_for(self.authorities, "CERTIFICATE", "certificates")
        try:
            context.load_verify_locations(self.authorities)
        except ssl.SSLError as error:
            raise TlsFileError(
                f"{self.authorities} contains a certificate that cannot be read ({error.reason or error}): "
                "export it again, as PEM."
            ) from error


#: For a client without a certificate of its own, which trusts the system's authorities.
NO_CERTIFICATES = TlsOptions()


def wrap(
    sock: socket.socket,
    context: ssl.SSLContext,
    seconds: float,
    *,
    server_side: bool,
    host: str | None = None,
    replaced: Callable[[socket.socket], None] = lambda wrapped: None,
) -> ssl.SSLSocket:
    """Wrap a connected socket in TLS. On failure, closes it and raises `TlsError`.

    `seconds`   timeout of the handshake
    `host`      the name or address that a client connects to, against which the certificate is checked
    `replaced`  called with the new socket before the handshake
    """
    side = "the peer that called us" if server_side else "the peer that we called"
    try:
        wrapped = context.wrap_socket(
            sock, server_side=server_side, server_hostname=host, do_handshake_on_connect=False
        )
    except (OSError, ValueError) as error:
        sock.close()
        raise TlsError(f"TLS with {side} failed: {error}") from error
    replaced(wrapped)
    try:
        wrapped.settimeout(seconds)
        wrapped.do_handshake()
    except (OSError, ValueError) as error:
        wrapped.close()
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise TlsError(f"TLS with {side} failed: {reason}") from error
    return wrapped


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    _look_for(certificate, "CERTIFICATE", "a certificate")
    _look_for(key, "PRIVATE KEY", "a private key")

    def password() -> str:
        # Without this callback, OpenSSL would ask on the terminal.
        raise TlsFileError(
            f"The private key in {key} has a password: store it without one, readable only by Kinote."
        )

    try:
        context.load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            what = f"{key} is not the private key of the certificate in {certificate}: name a matching pair."
        else:
            reason = reason_of(error)
            what = f"{certificate} and its key {key} cannot be used ({reason}): create them again, as PEM."
        raise TlsFileError(what) from error


def _look_for(file: Path, label: str, what: str) -> None:
    """Check that a file can be read and contains a PEM block with `label`. OpenSSL's errors do not name the file."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise TlsFileError(
            f"{file} cannot be read: {error.strerror}. Name an existing file that Kinote may read."
        ) from error
    if f"{label}-----".encode() not in content:
        raise TlsFileError(f"{file} contains no {label} in PEM format: name a file with {what}.")
