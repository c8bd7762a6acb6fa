"""Values of single settings: how a text becomes a value, and which texts are refused (`ValueError`)."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from kinote.peers.checks import NO_CERTIFICATE, can_be_looked_up, faults_of_name, is_certificate


def listed(value: object) -> object:
    """Parse a list in a variable: items separated by commas, or JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return tuple(item for item in map(str.strip, value.split(",")) if item)


def tables(value: object) -> object:
    """Parse a list of tables in a variable, which is JSON."""
    return json.loads(value) if isinstance(value, str) else value


def none_if_empty(value: object) -> object:
    return None if value == "" else value


def no_folder(path: Path | None) -> Path | None:
    """Accept a path that is not a folder. Whether the file exists is checked when it is read."""
    if path is not None and path.is_dir():
        raise ValueError("a folder")
    return path


def no_file(path: Path | None) -> Path | None:
    """Accept a path that is not a file. The folder is made when something is put into it."""
    if path is not None and path.is_file():
        raise ValueError("a file")
    return path


def some(items: tuple[str, ...]) -> tuple[str, ...]:
    if not items:
        raise ValueError("none")
    return items


def named(value: object) -> object:
    if value == "":
        raise ValueError("no path")
    return value


def postgresql(address: str) -> str:
    """Accept an address of a PostgreSQL database. Kinote chooses the driver."""
    try:
        if address and make_url(address).get_backend_name() != "postgresql":
            raise ValueError("not PostgreSQL")
    except ArgumentError as error:
        raise ValueError("no address") from error
    return address


def is_wildcard(host: str) -> bool:
    """Return whether a host stands for all addresses of the machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    return host == "localhost" or _address(host, loopback=True)


def listening_host(host: str) -> str:
    if host != "localhost" and not _address(host):
        raise ValueError("no address")
    return host


def host_name(name: str) -> str:
    """Return a host name in the form that is compared with Host headers, without the port."""
    if not _address(name) and (not can_be_looked_up(name) or set(name) & set(" /:@?#[]")):
        raise ValueError("no host name")
    return name


def syslog_host(name: str) -> str:
    """Check a host that is called, or an empty text."""
    return host_name(name) if name else ""


def audit_name(text: str) -> str:
    """Check a name in audit messages."""
    if len(text) > 64 or not text.isprintable() or text.strip() != text:
        raise ValueError("no name for audit messages")
    return text


def certificate(text: str) -> str:
    """Check how a certificate is named: by its fingerprint, or by its subject."""
    if not is_certificate(text):
        raise ValueError(NO_CERTIFICATE)
    return text


def network(text: str) -> str:
    """Check an address, or a network such as 10.1.0.0/16."""
    return str(ipaddress.ip_network(text)) if "/" in text else str(ipaddress.ip_address(text))


def peer_name(name: str) -> str:
    """Check a name of a peer or destination."""
    if any(faults_of_name(name)):
        raise ValueError("no name")
    return name


def origin(text: str) -> str:
    """Return an origin in the form of browsers: in lower case, without a default port."""
    parts = urlsplit(text.strip().lower().removesuffix("/"))
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    if usual is None or not parts.hostname or parts.geturl() != f"{parts.scheme}://{parts.netloc}":
        raise ValueError("no origin")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    if parts.username is not None or set(host) & set(" *,"):
        raise ValueError("no origin")
    return f"{parts.scheme}://{host}{port}"


def _address(text: str, *, loopback: bool = False) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback or not loopback
    except ValueError:
        return False
