"""The whole headers of live instances as DICOM JSON (PS3.18 F), with the values that hold now.

Images are files; intake prepares their headers. The bytes of small non-image objects, and of key objects made here,
are in the index; their header is made of these on demand, which is rare. Preparing it would take a third of the
time that receiving a key object takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection, select

from kinote.catalog.instances import packed_header
from kinote.catalog.instances.overlaid_headers import overlaid_header
from kinote.catalog.instances.overlays import has_overlay, overlays
from kinote.catalog.instances.received_values import todays_uids
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import instance_bytes, instance_metadata, series, study
from kinote.dicom.elements.dataset import scan
from kinote.dicom.json import from_elements


def headers(connection: Connection, keys: Sequence[int]) -> dict[int, bytes]:
    """Return the headers of those instances that are live, by instance: UTF-8, one attribute a line, bulk values as
    relative BulkDataURI."""
    query = (
        select(
            live_instance.c.id,
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
        if row.json is None and row.dataset is None:
            continue
        if row.study_overlay or row.series_overlay or row.instance_overlay:
            overlaid.append(row.id)
        found[row.id] = (
            header_of(row.dataset, row.transfer_syntax_uid)
            if row.json is None
            else packed_header.unpack(row.json)
        )
    if overlaid:
        for key, overlay in overlays(connection, overlaid).items():
            found[key] = overlaid_header(found[key], overlay, partial(todays_uids, connection))
    return found


def header_of(dataset: bytes, transfer_syntax_uid: str) -> bytes:
    """Return the header of a data set."""
    return from_elements.metadata_json(scan(dataset, transfer_syntax_uid))
