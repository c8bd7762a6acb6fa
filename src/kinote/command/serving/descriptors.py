"""File descriptors: how many this process may open, and how they are shared out.

If there are too few, fewer connections are accepted, so that a connection is never accepted without a descriptor for
its file.
"""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

#: The descriptors of a DICOM association: its socket, its channel to a receiver process or a file, and the socket of an
#: association to a third system (C-MOVE).
PER_ASSOCIATION = 3

#: The descriptors of an HTTP connection: its socket, and a file that is received or sent.
PER_HTTP_CONNECTION = 2

#: Reserved for the log, listening sockets, receiver processes, the acceptors, and files opened for a moment.
SPARE = 64

#: The least number of connections, however few descriptors there are: fewer would be useless.
_FEWEST = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """The connections to admit, and the descriptors that database and storage keep open."""

    associations: int
    unassociated: int
    http_connections: int
    database: int
    storage: int


@dataclass(frozen=True, slots=True)
class Budget:
    """The shares. `is_short` if they are less than wanted."""

    limit: int
    kept: int
    associations: int
    unassociated: int
    http_connections: int
    is_short: bool


def budget(limit: int, in_use: int, wanted: Wanted) -> Budget:
    """Share out the limit: what is in use, database and storage first, then DICOM up to a half, then HTTP."""
    kept = in_use + SPARE + wanted.database + wanted.storage
    left = max(limit - kept, 0)
    dicom = wanted.associations * PER_ASSOCIATION + wanted.unassociated
    http = wanted.http_connections * PER_HTTP_CONNECTION
    if dicom + http <= left:
        return Budget(limit, kept, wanted.associations, wanted.unassociated, wanted.http_connections, False)
    for_dicom = min(dicom, max(left // 2, left - http))
    unassociated = min(wanted.unassociated, max(for_dicom // 4, _FEWEST))
    associations = min(wanted.associations, max((for_dicom - unassociated) // PER_ASSOCIATION, _FEWEST))
    for_http = left - associations * PER_ASSOCIATION - unassociated
    connections = min(wanted.http_connections, max(for_http // PER_HTTP_CONNECTION, _FEWEST))
    return Budget(limit, kept, associations, unassociated, connections, True)


def raise_limit() -> int:
    """Raise the limit of this process and its children to the maximum. Return that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # Some systems report no limit, and have one.
            return soft
    return hard if hard != resource.RLIM_INFINITY else 2**31


def in_use() -> int:
    """Return how many are open now."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def tell(found: Budget) -> None:
    """Log the shares."""
    told = {
        "limit": found.limit,
        "kept": found.kept,
        "dicom_associations": found.associations,
        "dicom_unassociated": found.unassociated,
        "http_connections": found.http_connections,
    }
    if found.is_short:
        log.warning(
            "There are too few file descriptors: fewer connections are taken than the settings say. Raise the limit "
            "(LimitNOFILE of systemd, ulimit -n)",
            extra=told,
        )
    else:
        log.info("File descriptors", extra=told)
