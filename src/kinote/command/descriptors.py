"""File descriptors: how many this process may have, and who gets how many of them.

Where they are too few, fewer connections are taken from the beginning: none is taken for which there would be no file.
"""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

#: What a DICOM association may have at once: its socket, its channel to a receiver process or a file, and the socket
#: of an association to a third system (C-MOVE).
PER_ASSOCIATION = 3

#: What an HTTP connection may have at once: its socket, and a file that comes or goes.
PER_HTTP_CONNECTION = 2

#: Kept back: log, sockets that are listened on, receiver processes, the reserve of the acceptors, what is opened for a
#: moment.
SPARE = 64

#: At least so many are let in, however few descriptors there are: fewer would be no server.
_FEWEST = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many connections are to be let in, and what database and storage keep open."""

    associations: int
    unassociated: int
    http_connections: int
    database: int
    storage: int


@dataclass(frozen=True, slots=True)
class Budget:
    """Who gets how many; `is_short` where that is less than was wanted."""

    limit: int
    kept: int
    associations: int
    unassociated: int
    http_connections: int
    is_short: bool


def budget(limit: int, in_use: int, wanted: Wanted) -> Budget:
    """What there is, shared out: what is in use, database and storage first, then DICOM up to a half, then HTTP."""
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
    """Let this process, and those it begins, have as many as it may; gives how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # Some systems say that there is no limit, and have one.
            return soft
    return hard if hard != resource.RLIM_INFINITY else 2**31


def in_use() -> int:
    """How many are open now."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def tell(found: Budget) -> None:
    """Log who gets how many."""
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
