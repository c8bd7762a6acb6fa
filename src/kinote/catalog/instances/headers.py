"""The whole headers of live instances as DICOM JSON (PS3.18 F), with the values that hold now.

Images are files; intake prepares their headers. The bytes of small non-image objects, and of key objects made here,
are in the index; their header is made of these on demand, which is rare. Preparing it would take a third of the
time that receiving a key object takes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, func, select

from kinote.catalog.instances import packed_header
from kinote.catalog.instances.overlaid_headers import overlaid_header, referenced_uids
from kinote.catalog.instances.overlays import has_overlay, overlays
from kinote.catalog.instances.received_values import todays_uids
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import instance_bytes, instance_metadata, series, study
from kinote.dicom.elements.dataset import scan
from kinote.dicom.json import from_elements
from kinote.dicom.overlay.changes import NOT_LAID_OVER, Overlay
from kinote.memory.ledger import Charge

log = logging.getLogger(__name__)

#: Returns the bytes of a key object that are not kept yet (residence `derivable`), by its UID; None if they cannot be
#: made. Nothing is kept of them.
Derived = Callable[[Connection, str], bytes | None]


def nothing_derived(_connection: Connection, _sop_instance_uid: str) -> None:
    """Return None, for callers that cannot derive bytes."""


def headers(
    connection: Connection,
    keys: Sequence[int],
    not_correctable: set[int] | None = None,
    derived: Derived = nothing_derived,
    memory: Charge | None = None,
) -> dict[int, bytes]:
    """Return the headers of those instances that are live, by instance: UTF-8, one attribute a line, bulk values as
    relative BulkDataURI.

    Those over which their corrections cannot be laid are left out, and added to `not_correctable`. `derived` gives
    the bytes of key objects that are not made yet, so that their headers are the same before and after. The headers are
    charged to `memory`, which raises `MemoryFullError`.
    """
    query = (
        select(
            live_instance.c.id,
            live_instance.c.sop_instance_uid,
            live_instance.c.residence,
            live_instance.c.transfer_syntax_uid,
            instance_metadata.c.json,
            instance_bytes.c.dataset,
            *has_overlay(live_instance),
        )
        .join(series, series.c.id == live_instance.c.series)
        .join(study, study.c.id == live_instance.c.study)
        .outerjoin(instance_metadata, instance_metadata.c.instance == live_instance.c.id)
        .outerjoin(instance_bytes, instance_bytes.c.instance == live_instance.c.id)
        .where(live_instance.c.id.in_(keys))
    )
    found = {}
    overlaid = []
    for row in connection.execute(query):
        dataset = row.dataset
        if row.json is None and row.residence == "derivable":
            dataset = derived(connection, row.sop_instance_uid)
        if row.json is None and dataset is None:
            continue
        if row.study_overlay or row.series_overlay or row.instance_overlay:
            overlaid.append(row.id)
        found[row.id] = (
            header_of(dataset, row.transfer_syntax_uid)
            if row.json is None
            else packed_header.unpack(row.json, memory)
        )
    if overlaid:
        failed = _lay_over(connection, found, overlaid)
        for key in failed:
            del found[key]
        if not_correctable is not None:
            not_correctable.update(failed)
    return found


def packed_sizes(connection: Connection, keys: Sequence[int]) -> dict[int, int]:
    """Return how large the prepared headers of these instances are in the index, in bytes, by instance."""
    found = connection.execute(
        select(instance_metadata.c.instance, func.length(instance_metadata.c.json)).where(
            instance_metadata.c.instance.in_(keys)
        )
    )
    return {key: size for key, size in found}


def _lay_over(connection: Connection, found: dict[int, bytes], keys: Sequence[int]) -> list[int]:
    """Lay the overlays of these instances over their headers; return those where that cannot be done."""
    failed: list[int] = []
    known: dict[int, Overlay] = {}
    try:
        known = overlays(connection, keys)
    except NOT_LAID_OVER:
        # One of them is at fault.
        for key in keys:
            with _alone(key, failed):
                known |= overlays(connection, [key])
    # Asked for all at once: several tables are looked through for them.
    referenced: set[str] = set()
    for key, overlay in known.items():
        with _alone(key, failed):
            referenced |= referenced_uids(found[key], overlay)
    todays = todays_uids(connection, referenced)
    for key in [key for key in known if key not in failed]:
        with _alone(key, failed):
            found[key] = overlaid_header(found[key], known[key], lambda _: todays)
    return failed


@contextmanager
def _alone(key: int, failed: list[int]) -> Iterator[None]:
    """Note an instance with which something fails, so that it stops no other."""
    try:
        yield
    except NOT_LAID_OVER:
        log.warning("The corrections of instance %d cannot be laid over its header", key, exc_info=True)
        failed.append(key)


def header_of(dataset: bytes, transfer_syntax_uid: str) -> bytes:
    """Return the header of a data set."""
    return from_elements.metadata_json(scan(dataset, transfer_syntax_uid))
