"""Trying again to register a key object that could not be understood, after an update or on request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.tables import finding, key_object, key_object_request
from kinote.notes.arrival_locks import lock_instances
from kinote.notes.registrar import ReceivedKeyObject, register


def register_again(transaction: Connection, received: ReceivedKeyObject, now: datetime) -> str:
    """Put a new reading in place of one that was unreadable; gives the registration that results.

    What was registered already stays as it is: its note may have been built upon.
    """
    lock_instances(transaction, (), [received.reading])
    registration = transaction.execute(
        select(key_object.c.registration).where(key_object.c.instance == received.instance).with_for_update()
    ).scalar_one_or_none()
    if registration is not None and registration != "unreadable":
        return str(registration)
    for table in (finding, key_object_request, key_object):
        transaction.execute(table.delete().where(table.c.instance == received.instance))
    register(transaction, [received], now)
    return received.reading.registration
