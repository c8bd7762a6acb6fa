"""TLS for both sides of an association, by the secure transport profiles of PS3.15 Annex B.

Python's `ssl` cannot choose among the suites of TLS 1.3; OpenSSL's own choice of them is AEAD throughout.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from kinote.dimse.errors import DimseError
from kinote.dimse.tls_faults import reason_of

#: At least 112 bits of security in every key: RSA of 2048 bits (OpenSSL's level 2).
_LEVEL = "@SECLEVEL=2"

_ECDHE = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
_DHE = ("DHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES128-GCM-SHA256")


class TlsProfile(Enum):
    """Which cipher suites of TLS 1.2 are taken; both take TLS 1.2 and 1.3, and no older one.

    A peer of any profile since B.9 has one of them in common with us. The profile of B.13 is not offered: it asks
    for Camellia-GCM and for CCM in TLS 1.3, which OpenSSL or Python's `ssl` do not have.
    """

    #: BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12).
    BCP_195 = _ECDHE
    #: Non-Downgrading and Extended BCP 195 TLS Profiles (retired: PS3.15 2022 B.10, B.11), which have DHE too.
    #: Only a client makes use of that: servers without a Diffie-Hellman group of their own do not choose it.
    NON_DOWNGRADING = (*_ECDHE, *_DHE)


class TlsError(DimseError):
    """A connection did not become a TLS connection; the message says what failed, and on which side."""


class TlsFileError(DimseError):
    """A file with certificates or keys cannot be used; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Our certificate, and whom we believe. All files are PEM.

    `certificate`  our certificate, and after it those between it and its authority
    `key`          its private key, without a password; None where it lies in the same file
    `authorities`  certificates of the authorities, or of single peers, that we believe; None: the system's
    `client_certificates`  whether only clients with a certificate of those authorities are let in
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    client_certificates: bool = False
    profile: TlsProfile = TlsProfile.BCP_195

    def server_context(self) -> ssl.SSLContext:
        """For associations that others open. Raises `TlsFileError`."""
        if self.certificate is None:
            raise TlsFileError("A TLS listener needs a certificate: name its file in tls_certificate.")
        context = self._context(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        # Associations are long and few: nobody needs to resume a session.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
        if self.client_certificates:
            if self.authorities is None:
                raise TlsFileError(
                    "Client certificates are required, and it is not said whose: name the file with their "
                    "authorities in tls_authorities."
                )
            context.verify_mode = ssl.CERT_REQUIRED
            self._load_authorities(context)
        return context

    def client_context(self, *, check_name: bool = True) -> ssl.SSLContext:
        """For associations that we open: the server's certificate is checked, its name too if `check_name`.

        Raises `TlsFileError`.
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
        # A single peer's certificate may be believed without its authority.
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
                f"{self.authorities} holds a certificate that cannot be read ({error.reason or error}): "
                "export it again, as PEM."
            ) from error


#: For a client without a certificate of its own, which believes whom the system believes.
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
    """Make a connected socket, which is then ours to close, a TLS socket. Raises `TlsError`, and closes it.

    `seconds` is the time for the whole handshake, however busy the peer keeps us. `host` is whom a client means to
    reach: by its name or address the certificate is checked. `replaced` is told of the new socket before the handshake.
    """
    side = "The peer that called us" if server_side else "The peer that we called"
    try:
        wrapped = context.wrap_socket(
            sock, server_side=server_side, server_hostname=host, do_handshake_on_connect=False
        )
    except (OSError, ValueError) as error:
        sock.close()
        raise TlsError(f"{side} cannot be spoken to by TLS: {error}") from error
    replaced(wrapped)
    try:
        wrapped.settimeout(seconds)
        wrapped.do_handshake()
    except (OSError, ValueError) as error:
        wrapped.close()
        said = reason_of(error) if isinstance(error, OSError) else str(error)
        raise TlsError(f"{side} cannot be spoken to by TLS: {said}") from error
    return wrapped


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    _look_for(certificate, "CERTIFICATE", "a certificate")
    _look_for(key, "PRIVATE KEY", "a private key")

    def password() -> str:
        # Without this, OpenSSL would ask on the terminal.
        raise TlsFileError(
            f"The private key in {key} has a password: store it without one, readable only for us."
        )

    try:
        context.load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            what = f"{key} is not the private key of the certificate in {certificate}: name two that belong together."
        else:
            reason = reason_of(error)
            what = f"{certificate} and its key {key} cannot be used ({reason}): make them again, as PEM."
        raise TlsFileError(what) from error


def _look_for(file: Path, label: str, what: str) -> None:
    """See that a file can be read and has a PEM block of a kind; OpenSSL does not say which file was wrong."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise TlsFileError(
            f"{file} cannot be read: {error.strerror}. Name a file that is there, and let Kinote read it."
        ) from error
    if f"{label}-----".encode() not in content:
        raise TlsFileError(f"{file} holds no {label} in PEM form: name a file with {what}.")
