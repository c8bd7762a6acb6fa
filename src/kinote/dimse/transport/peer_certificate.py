"""The certificate by which a peer showed who it is (TLS client authentication, PS3.15 B.1)."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass

#: How certificates are written down by their fingerprint.
FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")

#: Types of attributes that RFC 4514 abbreviates. Others keep the name that OpenSSL gives them.
_SHORT = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A certificate that was verified: its SHA-256 fingerprint as `sha256:…`, and its subject (RFC 4514)."""

    fingerprint: str
    subject: str

    def is_one_of(self, written: tuple[str, ...]) -> bool:
        """Return whether it is written down, by its fingerprint or by its whole subject."""
        return self.fingerprint in written or (bool(self.subject) and self.subject in written)


def certificate_of(sock: object) -> PeerCertificate | None:
    """Return the verified certificate of a TLS connection's peer; None if it showed none."""
    if not isinstance(sock, ssl.SSLSocket):
        return None
    encoded = sock.getpeercert(binary_form=True)
    # The second is empty for a certificate that was not verified.
    found = sock.getpeercert()
    if not encoded or not found:
        return None
    fingerprint = f"sha256:{hashlib.sha256(encoded).hexdigest()}"
    return PeerCertificate(fingerprint, subject_of(found.get("subject", ())))


def subject_of(names: object) -> str:
    """Return a subject as `ssl` has it in the form of RFC 4514: the last name first, special characters escaped."""
    assert isinstance(names, tuple)
    parts = [
        "+".join(f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in each) for each in names
    ]
    return ",".join(reversed(parts))


def _escaped(value: str) -> str:
    """Escape a value (RFC 4514 2.4), so that no name within it looks like another one."""
    escaped = re.sub(r'([,+"\\<>;=])', r"\\\1", value).replace("\0", r"\00")
    if escaped.startswith(("#", " ")):
        escaped = f"\\{escaped}"
    if escaped.endswith(" ") and len(value) > 1:
        escaped = f"{escaped[:-1]}\\ "
    return escaped
