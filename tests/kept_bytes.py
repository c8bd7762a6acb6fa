"""What lies in the stores of a data directory, and what a kill leaves there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from kinote.holdings.removing.removal import Place
from kinote.storage.local import FILES, local_stores
from kinote.storage.stores import Stores


def kept_places(stores: Stores) -> set[Place]:
    """Where all objects lie that any store has."""
    return {(store.id, key) for store in stores for keys in store.keys_since("") for key in keys}


def kept_below(directory: Path) -> set[Place]:
    """The same of a data directory, which a server may have open."""
    stores = local_stores(directory)
    try:
        return kept_places(stores)
    finally:
        stores.close()


def nobodys(directory: Path) -> set[Place]:
    """Those that no row of the index there has."""
    with closing(sqlite3.connect(directory / "kinote.sqlite")) as index:
        owned = set(index.execute("SELECT store, file_key FROM instance WHERE file_key IS NOT NULL"))
    return kept_below(directory) - owned


def left_behind(stores: Stores, content: bytes, *, small: bool = False, whole: bool = True) -> Place:
    """An object as a kill leaves it before its row is committed; not `whole` if it was still being received."""
    incoming = stores.receive_small(datetime.now(UTC)) if small else stores.receive(datetime.now(UTC))
    incoming.write(content)
    incoming.finish()
    if whole or small:
        assert stores.settle([incoming]) == [None]
    assert incoming.key is not None
    return incoming.store, incoming.key


def file_of(directory: Path, place: Place) -> Path:
    """The file of an object that has one of its own."""
    store, key = place
    assert store == FILES
    return directory / "objects" / key
