"""Validation of peers and endpoints. All faults are reported at once."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from kinote.dimse.entity import AeTitleError, ae_title
from kinote.dimse.transport.peer_certificate import FINGERPRINT
from kinote.peers.peer import Endpoint, EndpointKind, Peer, WantedPeer
from kinote.peers.refusals import Fault

LONGEST_NAME = 64
_LONGEST_TEXT = 2000
LONGEST_ADDRESS = 1000

#: Maximum titles, hosts and endpoints of a peer.
MOST = 32

_PARTS = {
    EndpointKind.DIMSE: frozenset({"ae_title", "host", "port"}),
    EndpointKind.DICOMWEB: frozenset({"url"}),
    EndpointKind.MLLP: frozenset({"host", "port"}),
    EndpointKind.FOLDER: frozenset({"path"}),
}


def faults_of_name(name: str) -> Iterator[Fault]:
    """Yield the faults of a name of a peer or destination."""
    if not name or name.strip() != name or not name.isprintable() or len(name) > LONGEST_NAME:
        yield Fault("name", f"A name has 1 to {LONGEST_NAME} printable characters and no spaces around it.")


def faults_of_description(description: str) -> Iterator[Fault]:
    """Yield the faults of a description."""
    if len(description) > _LONGEST_TEXT or "\0" in description:
        yield Fault("description", f"A description has at most {_LONGEST_TEXT} characters.")


def faults_of_count(wanted: WantedPeer) -> Iterator[Fault]:
    """Yield a fault for each list that is too long. Such a peer is not validated further, to limit the work."""
    for field, values in (
        ("ae_titles", wanted.ae_titles or ()),
        ("hosts", wanted.hosts or ()),
        ("certificates", wanted.certificates),
        ("endpoints", wanted.endpoints),
    ):
        if len(values) > MOST:
            yield Fault(field, f"At most {MOST} are allowed.")


def faults_of_peer(wanted: WantedPeer, others: Sequence[Peer], *, hosts_needed: bool) -> list[Fault]:
    """Return the faults of a peer, including conflicts with `others`, the other active peers.

    `hosts_needed` tells whether the peer needs calling hosts, because the server is reachable from other machines and
    admits callers by their addresses.
    """
    faults = list(faults_of_count(wanted))
    if faults:
        return faults
    faults += [*faults_of_name(wanted.name), *faults_of_description(wanted.description)]
    for number, title in enumerate(wanted.ae_titles or ()):
        faults += _faults_of_title(f"ae_titles[{number}]", title)
    for number, host in enumerate(wanted.hosts or ()):
        if not is_host(host):
            faults.append(Fault(f"hosts[{number}]", _NO_HOST.format(host)))
    for number, certificate in enumerate(wanted.certificates):
        if not is_certificate(certificate):
            faults.append(Fault(f"certificates[{number}]", NO_CERTIFICATE))
    for number, endpoint in enumerate(wanted.endpoints):
        faults += _faults_of_endpoint(f"endpoints[{number}]", endpoint)
    faults += _faults_of_repetition(wanted)
    if hosts_needed and wanted.calling_titles and not (wanted.calling_hosts or wanted.certificates):
        faults.append(
            Fault(
                "hosts",
                "This server admits callers by address: list the hosts from which the peer calls, or the "
                "certificates that it shows.",
            )
        )
    return faults or list(_faults_beside(wanted, others))


#: The message about a certificate in another form.
NO_CERTIFICATE = (
    "A certificate is written as `sha256:` and its fingerprint in 64 hexadecimal digits, or as its whole subject "
    "(RFC 4514), e.g. CN=scanner,O=Hospital."
)


def is_certificate(text: str) -> bool:
    """Return whether a text can name a certificate: by its fingerprint, or by its subject."""
    if text.startswith("sha256:"):
        return FINGERPRINT.fullmatch(text) is not None
    return "=" in text and text.isprintable() and len(text) <= LONGEST_ADDRESS


_NO_HOST = "{!r} is neither a host name nor an IP address."


def is_host(text: str) -> bool:
    """Return whether a text is a host name or an IP address, without scheme and port."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return (
            can_be_looked_up(text)
            and text.isprintable()
            and not text.startswith("-")
            and not set(text) & set(" /:@?#[]\\%,;\"'")
        )
    return True


def can_be_looked_up(name: str) -> bool:
    """Return whether a name can be resolved at all: labels of 1 to 63 characters, at most 253 in total."""
    if not 0 < len(name) <= 253:
        return False
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def _faults_of_title(field: str, title: str) -> Iterator[Fault]:
    try:
        if ae_title(title) != title:
            yield Fault(field, "An AE title is written without spaces around it.")
    except AeTitleError as error:
        yield Fault(field, f"{error}.")


def _faults_of_endpoint(place: str, endpoint: Endpoint) -> Iterator[Fault]:
    parts = _PARTS[endpoint.kind]
    for name in ("ae_title", "host", "port", "url", "path"):
        value = getattr(endpoint, name)
        if value is None and name in parts:
            yield Fault(f"{place}.{name}", f"An endpoint of the kind {endpoint.kind} requires it.")
        elif value is not None and name not in parts:
            yield Fault(f"{place}.{name}", f"An endpoint of the kind {endpoint.kind} does not have it.")
    for name, usual in (("tls", False), ("check_name", True)):
        if "port" not in parts and getattr(endpoint, name) is not usual:
            yield Fault(f"{place}.{name}", f"An endpoint of the kind {endpoint.kind} does not have it.")
    if "port" in parts and endpoint.port is not None and not 1 <= endpoint.port <= 65535:
        yield Fault(f"{place}.port", "A port is a whole number from 1 to 65535.")
    if "host" in parts and endpoint.host is not None and not is_host(endpoint.host):
        yield Fault(f"{place}.host", _NO_HOST.format(endpoint.host))
    if "ae_title" in parts and endpoint.ae_title is not None:
        yield from _faults_of_title(f"{place}.ae_title", endpoint.ae_title)
    if "url" in parts and endpoint.url is not None:
        yield from _faults_of_url(f"{place}.url", endpoint.url)
    if "path" in parts and endpoint.path is not None:
        path = PurePosixPath(endpoint.path)
        if not path.is_absolute() or ".." in path.parts or not endpoint.path.isprintable():
            yield Fault(f"{place}.path", 'A folder is given by its absolute path, without "..".')
    if len(endpoint.address) > LONGEST_ADDRESS:
        yield Fault(place, f"An address has at most {LONGEST_ADDRESS} characters.")


def _faults_of_url(field: str, url: str) -> Iterator[Fault]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or not is_host(host) or not url.isprintable():
        yield Fault(field, "The base URL of a DICOMweb service, e.g. https://archive.example/dicomweb.")
    elif parts.username is not None or parts.password is not None:
        yield Fault(field, "The URL must not contain a user name or password: everybody can read it.")
    elif parts.query or parts.fragment or " " in url:
        yield Fault(field, "A base URL has no query and no fragment.")


def _faults_of_repetition(wanted: WantedPeer) -> Iterator[Fault]:
    for field, values in (
        ("ae_titles", wanted.ae_titles or ()),
        ("hosts", wanted.hosts or ()),
        ("certificates", wanted.certificates),
    ):
        if len(set(values)) < len(values):
            yield Fault(field, "Each may be listed only once.")
    seen: set[tuple[EndpointKind, str]] = set()
    for number, endpoint in enumerate(wanted.endpoints):
        if (endpoint.kind, endpoint.address) in seen:
            yield Fault(f"endpoints[{number}]", f"{endpoint.address} is listed twice.")
        seen.add((endpoint.kind, endpoint.address))


def _faults_beside(wanted: WantedPeer, others: Sequence[Peer]) -> Iterator[Fault]:
    """Yield faults for names and AE titles that another peer has. An AE title belongs to only one peer."""
    for other in others:
        if other.name == wanted.name:
            yield Fault("name", f"There is already a peer {other.name!r}, number {other.id}.")
        taken = titles_of(other)
        for number, title in enumerate(wanted.ae_titles or ()):
            if title in taken:
                yield Fault(f"ae_titles[{number}]", _TAKEN.format(title, other.name, other.id))
        for number, endpoint in enumerate(wanted.endpoints):
            if endpoint.ae_title in taken:
                yield Fault(
                    f"endpoints[{number}].ae_title", _TAKEN.format(endpoint.ae_title, other.name, other.id)
                )


_TAKEN = "The AE title {!r} belongs to the peer {!r}, number {}."


def titles_of(peer: Peer) -> frozenset[str]:
    """Return all AE titles of a peer, calling and called."""
    return frozenset({*peer.ae_titles, *(each.ae_title for each in peer.endpoints if each.ae_title)})
