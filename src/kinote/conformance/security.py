"""Section 7 of the statement: security (PS3.2 N.9, PS3.15)."""

from __future__ import annotations

from kinote.conformance.markdown import Section, table
from kinote.dimse.transport.tls import TlsProfile

#: The profiles of PS3.15 annex B by the table of cipher suites.
_PROFILES = {
    TlsProfile.BCP_195: "BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12)",
    TlsProfile.NON_DOWNGRADING: "Non-Downgrading and Extended BCP 195 TLS Profiles (retired: PS3.15-2022 B.10, B.11)",
}


def security() -> Section:
    """Return the section about security."""
    rows = (
        (_PROFILES[profile], ", ".join(f"`{suite}`" for suite in profile.value)) for profile in TlsProfile
    )
    return Section(
        "Security",
        (_TLS, table(("profile", "cipher suites of TLS 1.2"), rows), _OTHER),
    )


_TLS = (
    "DICOM by TLS 1.2 and 1.3, as acceptor and as requestor, with or without certificates of clients. TLS 1.3 has"
    " the suites of OpenSSL's default. DICOMweb by HTTPS (PS3.15 B.11 and B.12 for HTTP), or behind a proxy."
)
_OTHER = (
    "Access is by calling AE title and host, or by certificates; by users, API tokens and roles for HTTP "
    "([security](security.md)). User identity negotiation takes names and passcodes, if the site wants it "
    "([DICOM](dicom.md#users-of-dicom-systems)). The audit trail records accesses and acts with a hash chain "
    "([security](security.md#the-audit-trail)). Objects are neither signed nor encrypted by Kinote, and not "
    "de-identified."
)
