"""Settings that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kinote.settings.rejections import contradictions
from kinote.settings.values import is_loopback

if TYPE_CHECKING:
    from kinote.settings.model import Settings

#: The conditions for listening for DICOM on an address other than loopback.
GUARDS = (
    "It must be a loopback address unless unknown_callers is false and each of the entities has a host or "
    "certificates, or tls_client_certificates is true and dicom_port is empty."
)


class ContradictionsError(ValueError):
    """Settings that contradict each other: for each fault, the setting to change and what is wrong."""

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        super().__init__(faults)
        self.faults = faults


def contradictions_of(settings: Settings) -> Iterator[tuple[str, str]]:
    """Return contradictions between settings: which setting to change, and what is wrong."""
    if not is_loopback(settings.dicom_host) and not _is_guarded(settings):
        yield (
            "dicom_host",
            f"{settings.dicom_host!r} is refused: whoever reaches the port can store and query. {GUARDS}",
        )
    yield from _contradictions_of_http(settings)
    if settings.audit_syslog_host and not settings.writes_audit():
        yield "audit_syslog_host", "There is no audit trail to be sent: set audit or authentication too."
    if settings.user_identity != "ignored" and settings.authentication == "none":
        yield "user_identity", "There are no users whose identity could be looked at: set authentication too."
    if settings.second_person and settings.authentication == "none":
        yield "second_person", "Nobody could be told from anybody else: set authentication too."
    if settings.dicom_tls_port is not None and settings.tls_certificate is None:
        yield "dicom_tls_port", "TLS needs a certificate: set tls_certificate too."
    if settings.dicom_tls_port and settings.dicom_tls_port == settings.dicom_port:
        yield "dicom_tls_port", "DICOM with and without TLS cannot share a port: dicom_port is the same."
    if settings.tls_key is not None and settings.tls_certificate is None:
        yield "tls_key", "A key is of no use without its certificate: set tls_certificate too."
    if settings.tls_client_certificates and settings.tls_authorities is None:
        yield "tls_client_certificates", "It must be said whose certificates let in: set tls_authorities too."
    yield from _contradictions_of_entities(settings)
    yield from settings.contradictions_of_alerts()
    yield from settings.contradictions_of_openid(settings.authentication)
    yield from contradictions(settings.rejections, settings.refused_copies)
    for setting, item, those in (
        ("destinations", "destination", settings.destinations),
        ("routes", "route", settings.routes),
    ):
        names = [each.name for each in those]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield setting, f"The name {name!r} is there twice; each names one {item}."


def _contradictions_of_http(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.http_key is not None and settings.http_certificate is None:
        yield "http_key", "A key is of no use without its certificate: set http_certificate too."
    if is_loopback(settings.http_host):
        return
    missing = []
    if settings.authentication == "none":
        missing.append("people have to sign in (authentication)")
    if settings.http_certificate is None and not settings.trusted_proxies:
        missing.append(
            "passwords must not cross the network in the clear: set http_certificate for TLS here, or "
            "trusted_proxies for a proxy in front that has it"
        )
    if missing:
        yield (
            "http_host",
            f"{settings.http_host!r} is no loopback address, and others could reach it: {'; and '.join(missing)}.",
        )


def _contradictions_of_entities(settings: Settings) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for entity in settings.entities:
        if entity.title in seen:
            yield "entities", f"The title {entity.title!r} is there twice; each names one entity."
        seen.add(entity.title)
        if entity.port is not None and entity.host is None:
            yield "entities", f"{entity.title!r} has a port, and no host it would belong to."
        if entity.certificates and not settings.tls_client_certificates:
            yield (
                "entities",
                f"{entity.title!r} is to show a certificate, which nobody is asked for: set tls_client_certificates.",
            )


def _is_guarded(settings: Settings) -> bool:
    """Return whether only callers that the administrator has named can connect, by address or by certificate."""
    named = not settings.unknown_callers and all(
        entity.host or entity.certificates for entity in settings.entities
    )
    return named or is_guarded_by_certificates(settings)


def is_guarded_by_certificates(settings: Settings) -> bool:
    """Return whether only callers with a certificate can connect."""
    return settings.tls_client_certificates and settings.dicom_port is None
