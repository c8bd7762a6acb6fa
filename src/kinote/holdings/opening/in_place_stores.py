"""The stores of folders that are read in place, by the rows of these folders."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from kinote.catalog.in_place_folders import folder_paths
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.health import Alert
from kinote.storage.read_in_place import FIRST_IN_PLACE, InPlaceStore
from kinote.storage.stores import Stores


def reach_in_place(stores: Stores, catalog: Catalog) -> None:
    """Make stores find the folders of other systems, including folders added later."""
    stores.reach(partial(_in_place, catalog))
    with catalog.read() as connection:
        for key in folder_paths(connection):
            stores.find(FIRST_IN_PLACE + key)


def is_in_place_folder(stores: Stores, store: int) -> InPlaceStore | None:
    """Return the store of a folder that is read in place, None for any other store."""
    found = stores.find(store) if store > FIRST_IN_PLACE else None
    return found if isinstance(found, InPlaceStore) else None


def read_in_place(stores: Stores) -> tuple[str, ...]:
    """Return the folders that are read in place."""
    return tuple(str(store.root) for store in stores if isinstance(store, InPlaceStore))


def folders_away(stores: Stores) -> list[Alert]:
    """Return an alert for each folder that cannot be read, or is empty."""
    return [
        Alert(
            "FOLDER_IN_PLACE_AWAY",
            f"The folder {store.root}, which is read in place, cannot be read or is empty. Its images cannot be shown "
            "or sent until it is back: see that its volume is mounted.",
            subject=str(store.root),
        )
        for store in stores
        if isinstance(store, InPlaceStore) and not store.is_there()
    ]


def _in_place(catalog: Catalog, store: int) -> InPlaceStore | None:
    if store <= FIRST_IN_PLACE:
        return None
    with catalog.read() as connection:
        path = folder_paths(connection).get(store - FIRST_IN_PLACE)
    return InPlaceStore(Path(path), store) if path is not None else None
