"""The whole headers of live instances as DICOM JSON (PS3.18 F).

Images are files; intake prepares their headers. The bytes of small non-image objects, and of key objects made here,
are in the index; their header is made of these on demand, which is rare. Preparing it would take a third of the
time that receiving a key object takes.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from kinote.catalog.instances import packed_header
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import instance_bytes, instance_metadata
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
        )
        .outerjoin(instance_metadata, instance_metadata.c.instance == live_instance.c.id)
        .outerjoin(instance_bytes, instance_bytes.c.instance == live_instance.c.id)
        .where(live_instance.c.id.in_(keys))
    )
    return {
        row.id: packed_header.unpack(row.json)
        if row.json is not None
        else header_of(row.dataset, row.transfer_syntax_uid)
        for row in connection.execute(query)
        if row.json is not None or row.dataset is not None
    }


def header_of(dataset: bytes, transfer_syntax_uid: str) -> bytes:
    """Return the header of a data set."""
    return from_elements.metadata_json(scan(dataset, transfer_syntax_uid))
