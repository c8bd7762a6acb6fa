"""Reads key objects again with the current reader, from their stored bytes, which come through the door."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import finding, key_object
from kinote.catalog.transactions.catalog import Catalog, Work
from kinote.dicom.dictionary import sop_classes
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject, live_objects
from kinote.keyobject import reader
from kinote.lifecycle.explaining.explain import explain
from kinote.lifecycle.findings.differing import BESIDE_OTHERS
from kinote.lifecycle.findings.finding_list import SEVERITIES
from kinote.notes.registrar.again import RegisteredAgain, register_again
from kinote.notes.registrar.register import ReceivedKeyObject
from kinote.security.actors import KINOTE, Actor

log = logging.getLogger(__name__)


class NeverHadError(LookupError):
    """There is no instance with that UID, and never was."""


class NotToBeReadError(ValueError):
    """The instance is not a key object, or is not in use. The message says which."""


def read_again(
    catalog: Catalog, door: Door, sop_instance_uid: str, *, by: Actor, now: datetime
) -> RegisteredAgain:
    """Read a live key object again, with others that carry the same note, and register the result.

    Raises `NeverHadError`, `NotToBeReadError`, and `BytesUnavailableError` if the bytes of one cannot be read.
    """
    return catalog.write(reading_again(catalog, door, sop_instance_uid, by=by, now=now))


def reading_again(
    catalog: Catalog, door: Door, sop_instance_uid: str, *, by: Actor, now: datetime
) -> Work[RegisteredAgain]:
    """Read the bytes of a key object and of others with the same note, and return the work that registers the
    result.

    Raises like `read_again`. The work raises `NotToBeReadError`.
    """
    with catalog.read() as connection:
        wanted = _found(connection, door, sop_instance_uid)
        carriers = _carriers(connection, wanted)
    received = [_read(door, each) for each in carriers]

    def registering(transaction: Connection) -> RegisteredAgain:
        for each in register_again(transaction, received, now):
            if each.sop_instance_uid == sop_instance_uid:
                log.info(
                    "A key object is being registered again",
                    extra={
                        "sop_instance_uid": sop_instance_uid,
                        "changed": each.changed,
                        **by.columns("by"),
                    },
                )
                return each
        raise NotToBeReadError(f"The key object {sop_instance_uid} has been withdrawn from use just now.")

    return registering


def to_be_read_again(connection: Connection, *, after: int = 0, limit: int = 1000) -> list[tuple[int, str]]:
    """Return keys and UIDs of live key objects that the current reader may read differently, in order of keys.

    These are the ones that an older reader has read, and those with findings above `info`.
    """
    # Each is read in the order of an index, so that a page reads no more than it returns.
    found = dict(read_by_older_readers(connection, after=after, limit=limit))
    found |= dict(with_findings_from(connection, "warning", after=after, limit=limit))
    return sorted(found.items())[:limit]


def read_by_older_readers(connection: Connection, *, after: int, limit: int) -> list[tuple[int, str]]:
    """Return those that an older reader has read."""
    queries = [
        select(key_object.c.instance, live_instance.c.sop_instance_uid)
        .join(live_instance, live_instance.c.id == key_object.c.instance)
        .where(
            key_object.c.made_from.is_(None),
            key_object.c.reader_version == version,
            key_object.c.instance > after,
        )
        .order_by(key_object.c.instance)
        .limit(limit)
        for version in range(reader.VERSION)
    ]
    found = {row.instance: row.sop_instance_uid for query in queries for row in connection.execute(query)}
    return sorted(found.items())[:limit]


def with_findings_from(
    connection: Connection, severity: str, *, code: str = "", after: int, limit: int
) -> list[tuple[int, str]]:
    """Live key objects with findings of this severity or a worse one, of this code or of any."""
    query = (
        select(finding.c.instance, live_instance.c.sop_instance_uid)
        .join(key_object, key_object.c.instance == finding.c.instance)
        .join(live_instance, live_instance.c.id == finding.c.instance)
        .where(
            finding.c.instance > after,
            finding.c.severity.in_(SEVERITIES[SEVERITIES.index(severity) :]),
            finding.c.code == code if code else finding.c.code.not_in(BESIDE_OTHERS),
        )
        .distinct()
        .order_by(finding.c.instance)
        .limit(limit)
    )
    return [(row.instance, row.sop_instance_uid) for row in connection.execute(query)]


def _found(connection: Connection, door: Door, sop_instance_uid: str) -> LiveObject:
    found = door.find_instance(connection, sop_instance_uid)
    if found is None:
        copies = explain(connection, sop_instance_uid)
        if not copies:
            raise NeverHadError(f"Kinote has never had an instance {sop_instance_uid}.")
        raise NotToBeReadError(
            f"The instance {sop_instance_uid} is {copies[0].standing}: it is read again when it is back in use."
        )
    if found.sop_class_uid != sop_classes.KEY_OBJECT_SELECTION:
        raise NotToBeReadError(
            f"The instance {sop_instance_uid} is no key object; there is nothing to register."
        )
    return found


def _carriers(connection: Connection, wanted: LiveObject) -> Sequence[LiveObject]:
    """Return the live key objects that carry the same version of a note, including this one."""
    version = select(key_object.c.version).where(key_object.c.instance == wanted.id).scalar_subquery()
    alike = select(key_object.c.instance).where(key_object.c.version == version)
    query = live_objects().where(live_instance.c.id.in_(alike)).order_by(live_instance.c.id)
    return [LiveObject(**row) for row in connection.execute(query).mappings()] or [wanted]


def _read(door: Door, item: LiveObject) -> ReceivedKeyObject:
    with door.open(item, KINOTE).file as file:
        # One byte more than the maximum, so that the reader reports the object as too large.
        data = file.read(reader.MAX_BYTES + 1)
    reading = reader.read(data, item.transfer_syntax_uid)
    return ReceivedKeyObject(item.id, item.study_instance_uid, item.sop_instance_uid, reading)
