"""Reads held key objects that would come into use, before the transaction that decides about them."""

from __future__ import annotations

from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.door import Door
from kinote.keyobject import reader
from kinote.keyobject.reading import Reading
from kinote.lifecycle.copies.choices import Choice
from kinote.lifecycle.held import HeldNotFoundError, HeldSelection, held_copy
from kinote.notes.copies.deciding import key_objects_held


def read_held(catalog: Catalog, door: Door, selected: HeldSelection, choice: Choice) -> dict[int, Reading]:
    """Return the readings of held key objects that a choice would bring into use, by the keys of their instances.

    Raises `BytesUnavailableError` if the bytes of one cannot be read.
    """
    with catalog.read() as connection:
        wanted = key_objects_held(connection, selected, choice)
    readings = {}
    for each in wanted:
        try:
            with catalog.read() as connection:
                copy = held_copy(connection, each.id)
        except HeldNotFoundError:
            # Somebody has decided about it meanwhile.
            continue
        with door.open_held(copy).file as file:
            # One byte more than the maximum, so that the reader reports the object as too large.
            data = file.read(reader.MAX_BYTES + 1)
        readings[each.id] = reader.read(data, copy.transfer_syntax_uid)
    return readings
