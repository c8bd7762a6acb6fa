"""Whether the cache is beyond its bounds and too little may be evicted, according to the last plan of a server."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from kinote.catalog.facts import fact, write_fact

_SHORTFALL = "retention shortfall"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A plan that frees less than the bounds require, in bytes."""

    plan: int
    wanted: int
    frees: int


def shortfall(connection: Connection) -> Shortfall | None:
    """Return what the last plan lacks; None if the cache is within its bounds, or enough may be evicted."""
    found = fact(connection, _SHORTFALL)
    return Shortfall(**json.loads(found)) if found else None


def write_shortfall(transaction: Connection, found: Shortfall | None) -> None:
    """Record what a plan lacks, or that nothing is lacking."""
    write_fact(transaction, _SHORTFALL, json.dumps(asdict(found)) if found else "")
