"""Key objects read again by today's reader: their stored bytes, fetched as whatever goes out is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.live import live_instance
from kinote.catalog.tables import finding, key_object
from kinote.catalog.transactions import Catalog, Work
from kinote.dicom.dictionary import sop_classes
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject, live_objects
from kinote.keyobject import reader
from kinote.lifecycle.explain import explain
from kinote.notes.registrar.again import RegisteredAgain, register_again
from kinote.notes.registrar.register import ReceivedKeyObject


class NeverHadError(LookupError):
    """There is no instance with that UID, nor has there been one."""


class NotToBeReadError(ValueError):
    """The instance is no key object, or is not in use; the message says which."""


def read_again(catalog: Catalog, door: Door, sop_instance_uid: str, now: datetime) -> RegisteredAgain:
    """Read a live key object again, with those that carry the same note, and register what is read now.

    Raises `NeverHadError`, `NotToBeReadError`, and `BytesUnavailableError` where the bytes of one cannot be had.
    """
    return catalog.write(reading_again(catalog, door, sop_instance_uid, now))


def reading_again(
    catalog: Catalog, door: Door, sop_instance_uid: str, now: datetime
) -> Work[RegisteredAgain]:
    """Read its bytes and those of its like; what is given registers, in a transaction, what was read of them.

    Raises as `read_again` does. The piece of work raises `NotToBeReadError`.
    """
    with catalog.read() as connection:
        wanted = _found(connection, door, sop_instance_uid)
        carriers = _carriers(connection, wanted)
    received = [_read(door, each) for each in carriers]

    def registering(transaction: Connection) -> RegisteredAgain:
        for each in register_again(transaction, received, now):
            if each.sop_instance_uid == sop_instance_uid:
                return each
        raise NotToBeReadError(f"The key object {sop_instance_uid} has been withdrawn from use just now.")

    return registering


def to_be_read_again(connection: Connection, *, after: int = 0, limit: int = 1000) -> list[tuple[int, str]]:
    """Live key objects with findings above `info`, which another reader may see otherwise: keys and UIDs."""
    rows = connection.execute(
        select(live_instance.c.id, live_instance.c.sop_instance_uid)
        .join(key_object, key_object.c.instance == live_instance.c.id)
        .where(
            live_instance.c.id.in_(
                select(finding.c.instance).where(finding.c.severity.in_(("warning", "error")))
            ),
            live_instance.c.id > after,
        )
        .order_by(live_instance.c.id)
        .limit(limit)
    )
    return [(row.id, row.sop_instance_uid) for row in rows]


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
    """The live key objects that carry the same version of a note, this one among them."""
    version = select(key_object.c.version).where(key_object.c.instance == wanted.id).scalar_subquery()
    alike = select(key_object.c.instance).where(key_object.c.version == version)
    query = live_objects().where(live_instance.c.id.in_(alike)).order_by(live_instance.c.id)
    return [LiveObject(**row) for row in connection.execute(query).mappings()] or [wanted]


def _read(door: Door, item: LiveObject) -> ReceivedKeyObject:
    with door.open(item).file as file:
        # One byte more than is read: the reader then says that it is too large.
        data = file.read(reader.MAX_BYTES + 1)
    reading = reader.read(data, item.transfer_syntax_uid)
    return ReceivedKeyObject(item.id, item.study_instance_uid, item.sop_instance_uid, reading)
