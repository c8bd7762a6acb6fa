"""Explanations of TLS errors for the administrator."""

from __future__ import annotations

import socket
import ssl

#: Certificate errors by OpenSSL's code (X509_V_ERR_…).
_CERTIFICATE = {
    9: "its certificate is not valid yet: compare the clocks",
    10: "its certificate has expired",
    18: "its certificate is self-signed and not trusted: add it, or its authority, to our authorities",
    19: "its certificate comes from an unknown authority: add it to our authorities",
    20: "its certificate comes from an unknown authority: add it to our authorities",
    21: "its certificate comes from an unknown authority, or it does not send the intermediate certificates",
    26: "its certificate is not meant for this side of a connection (extended key usage)",
    62: "its certificate is for another host name; the name check can be switched off for each peer",
    64: "its certificate is for another address; the name check can be switched off for each peer",
    66: "the key of its certificate is too weak",
    67: "the key of its authority's certificate is too weak",
    68: "its certificate is signed with a digest that is too weak",
}

_NO_TLS = "it does not speak TLS: plain DICOM uses another port"
_NO_SUITE = "we have no cipher suite in common"
_NO_VERSION = "it supports neither TLS 1.2 nor TLS 1.3"
_REFUSES_CERTIFICATE = "it refuses our certificate"
_NO_CERTIFICATE = "it has sent no certificate, but one is required"

#: OpenSSL's error reasons: errors found here, and alerts sent by the peer.
_REASONS = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "HTTPS_PROXY_REQUEST": _NO_TLS,
    "UNKNOWN_PROTOCOL": _NO_TLS,
    "RECORD_TOO_SMALL": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "NO_SHARED_CIPHER": _NO_SUITE,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": _NO_SUITE,
    "NO_SUITABLE_KEY_SHARE": _NO_SUITE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refuses us: we have no cipher suite in common, or it wants a certificate",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": _NO_SUITE,
    "UNSUPPORTED_PROTOCOL": _NO_VERSION,
    "VERSION_TOO_LOW": _NO_VERSION,
    "NO_PROTOCOLS_AVAILABLE": _NO_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": _NO_VERSION,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": _NO_CERTIFICATE,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it requires a certificate, and we have none",
    "TLSV1_ALERT_UNKNOWN_CA": f"{_REFUSES_CERTIFICATE}: it does not know its authority",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": f"{_REFUSES_CERTIFICATE}: it has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": f"{_REFUSES_CERTIFICATE}: it has been revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _REFUSES_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": _REFUSES_CERTIFICATE,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _REFUSES_CERTIFICATE,
    "TLSV1_ALERT_ACCESS_DENIED": f"{_REFUSES_CERTIFICATE}: access denied",
    "TLSV1_UNRECOGNIZED_NAME": "it knows no host of that name",
    "EE_KEY_TOO_SMALL": _CERTIFICATE[66],
    "CA_KEY_TOO_SMALL": _CERTIFICATE[67],
    "CA_MD_TOO_WEAK": _CERTIFICATE[68],
}


def reason_of(error: OSError) -> str:
    """Explain an error of a TLS socket. Returns the end of a sentence about the peer."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE.get(error.verify_code, f"its certificate is refused ({error.verify_message})")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return "it has closed the connection"
    if isinstance(error, socket.timeout):
        return "it is silent"
    if isinstance(error, ssl.SSLError):
        return _REASONS.get(error.reason or "", error.reason or str(error))
    return error.strerror or str(error)
