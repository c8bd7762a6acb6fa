"""Puts the house together: opens the rooms in order, and closes them in reverse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kinote.catalog.catalog import Catalog, CatalogOptions
from kinote.delivery.source import Source
from kinote.intake.receiver import Receiver
from kinote.intake.recovery import recover
from kinote.settings import Settings
from kinote.storage.data_directory import DataDirectory
from kinote.storage.local import LocalStorage
from kinote.web.application import Rooms, WebOptions, create_application
from kinote.web.metrics import observe_outcome


@dataclass(frozen=True, slots=True)
class House:
    """The open rooms of one Kinote."""

    directory: DataDirectory
    catalog: Catalog
    receiver: Receiver
    source: Source


@contextmanager
def open_house(settings: Settings) -> Iterator[House]:
    """Open the data directory and all rooms on it. Raises `DataDirectoryInUseError` if another has it."""
    directory = DataDirectory(settings.data, shared=bool(settings.database))
    try:
        storage = LocalStorage(directory.path)
        catalog = Catalog(CatalogOptions(url=settings.database or directory.index_url))
        try:
            if directory.was_alone:
                recover(catalog, storage)
                directory.recovered()
            receiver = Receiver(catalog, storage, observe=observe_outcome)
            try:
                yield House(directory, catalog, receiver, Source(catalog, storage))
            finally:
                receiver.close()
        finally:
            catalog.close()
    finally:
        directory.close()


def web_application(house: House, settings: Settings):  # type: ignore[no-untyped-def]
    """The HTTP face of an open house."""
    rooms = Rooms(
        catalog=house.catalog,
        receiver=house.receiver,
        source=house.source,
        options=WebOptions(allowed_hosts=settings.allowed_hosts),
    )
    return create_application(rooms)
