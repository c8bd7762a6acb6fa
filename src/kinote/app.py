"""Puts the house together: opens the rooms in order, and closes them in reverse."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from fastapi import FastAPI
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kinote.catalog.commits import CommitInDoubtError
from kinote.catalog.dialects import shown
from kinote.catalog.migrations import ForeignSchemaError
from kinote.catalog.transactions import Catalog, CatalogOptions
from kinote.dimse.acceptor import AddressTakenError
from kinote.dimse.tls import TlsFileError
from kinote.holdings.door import Door
from kinote.holdings.health import health
from kinote.holdings.installation import (
    Marks,
    NotTogetherError,
    Places,
    found_marks,
    give_marks,
    open_anew,
    prove_together,
)
from kinote.holdings.recovery import Recovered, recover
from kinote.intake.receiver import Receiver
from kinote.scp import rooms as scp_rooms
from kinote.scp.server import DicomServer
from kinote.settings.model import Settings
from kinote.storage.data_directory import DataDirectory
from kinote.storage.local import LocalStorage
from kinote.storage.marks import UnreadableMarkError, has_mark
from kinote.web.application import Rooms, WebOptions, create_application
from kinote.web.metrics import observe_outcome

log = logging.getLogger(__name__)


class HouseError(RuntimeError):
    """The house cannot be opened; the message says what is in the way and what to do."""


#: What a house is opened for. To `serve`: recovery sets aside what the last server left half-done. To `work` in it, as
#: commands do that change something. To `look`: nothing is written.
Purpose = Literal["serve", "work", "look"]


@dataclass(frozen=True, slots=True)
class House:
    """The open rooms of one Kinote."""

    directory: DataDirectory
    catalog: Catalog
    storage: LocalStorage
    receiver: Receiver
    door: Door
    #: Whether the store of image files can be reached.
    store_is_there: Callable[[], bool]
    #: What start-up recovery did; nothing where the house was not opened to serve.
    recovered: Recovered


@contextmanager
def open_house(settings: Settings, purpose: Purpose = "work") -> Iterator[House]:
    """Open the data directory and all rooms on it, once it is proved that they belong together.

    Raises `DataDirectoryInUseError` if another has it, `HouseError` if it or the index cannot be used.
    """
    with _open_directory(settings) as directory:
        url = settings.database or directory.index_url
        places = Places(directory.path, directory.store, shown(url))
        with _telling_of_index(url), _telling_of_folder(directory.path):
            marks = found_marks(places, url)
            prove_together(marks, places)
            storage = LocalStorage(directory.path)
            catalog = Catalog(CatalogOptions(url=url))
        try:
            with _telling_of_index(url), _telling_of_folder(directory.path):
                recovered, is_marked = _take_over(directory, purpose, marks, places, catalog, storage)
            directory.recovered()
            receiver = Receiver(catalog, storage, observe=observe_outcome)
            try:
                store_is_there = partial(has_mark, places.store)
                door = Door(catalog, storage, store_is_there=store_is_there, writes=purpose != "look")
                yield House(directory, catalog, storage, receiver, door, store_is_there, recovered)
            finally:
                receiver.close()
                if is_marked and directory.is_alone():
                    _end(places, url, catalog)
        finally:
            catalog.close()


@contextmanager
def _open_directory(settings: Settings) -> Iterator[DataDirectory]:
    with _telling_of_folder(settings.data):
        directory = DataDirectory(settings.data, shared=bool(settings.database))
    try:
        yield directory
    finally:
        directory.close()


def _take_over(
    directory: DataDirectory,
    purpose: Purpose,
    marks: Marks,
    places: Places,
    catalog: Catalog,
    storage: LocalStorage,
) -> tuple[Recovered, bool]:
    """Recover and mark, where nobody else has the directory; gives whether the end is to be marked, too."""
    if not directory.was_alone or purpose == "look":
        return Recovered(), False
    now = datetime.now(UTC)
    recovered = recover(catalog, storage, now) if purpose == "serve" else Recovered()
    unknown = recovered.unknown
    made_before_marks = marks.directory is None and marks.index is not None and marks.index.has_instances
    if made_before_marks and unknown:
        raise NotTogetherError(
            f"The index {places.index} does not know {unknown} files in {places.store}, more than a crash can leave: "
            "it is not the newest index of this data directory, or that of another one. Bring back the right one. "
            "If this is what is left, run `kinote doctor --adopt` first."
        )
    # Where recovery has doubts, the right index may still be brought back: it must not come to be an older one.
    if unknown or (made_before_marks and purpose != "serve"):
        return recovered, False
    open_anew(marks, places, catalog, now)
    return recovered, True


def _end(places: Places, url: str, catalog: Catalog) -> None:
    """A copy of the index taken until now is an older one from here on."""
    try:
        open_anew(found_marks(places, url), places, catalog, datetime.now(UTC))
    except (OSError, SQLAlchemyError, UnreadableMarkError):
        log.warning("The data directory and its index could not be marked as closed", exc_info=True)


def adopt(settings: Settings) -> None:
    """Let the index be the one of this data directory and store, whatever they say of themselves.

    For an administrator who has seen that it is the newest there is. Raises as `open_house`.
    """
    with _open_directory(settings) as directory:
        url = settings.database or directory.index_url
        places = Places(directory.path, directory.store, shown(url))
        with _telling_of_index(url), _telling_of_folder(directory.path):
            marks = found_marks(places, url, damaged_as_none=True)
            LocalStorage(directory.path)
            catalog = Catalog(CatalogOptions(url=url))
            try:
                give_marks(marks, places, catalog, datetime.now(UTC))
            finally:
                catalog.close()


@contextmanager
def _telling_of_folder(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or path.absolute()
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        reason = f"{place} is no folder" if in_the_way else f"{place}: {error.strerror}"
        raise HouseError(
            f"The data directory {path.absolute()} cannot be used: {reason}. "
            "Let Kinote write there, or choose another one with --data."
        ) from error


@contextmanager
def _telling_of_index(url: str) -> Iterator[None]:
    try:
        yield
    except (NotTogetherError, UnreadableMarkError) as error:
        raise HouseError(str(error)) from error
    except (SQLAlchemyError, ImportError, ForeignSchemaError, CommitInDoubtError) as error:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            name = address.database
            remedy = "Put back a copy of the data directory, or choose another one with --data."
        else:
            name = shown(address)
            remedy = "See that the database is there, and that the setting database says how to reach it."
        raise HouseError(f"The index {name} cannot be used: {_reason(error)} {remedy}") from error


def _reason(error: Exception) -> str:
    """What the database or its driver says, as one sentence: without SQL, and without hints of the driver's."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig else error
    first_line, *_ = str(said).splitlines() or [type(said).__name__]
    return first_line.rstrip(".") + "."


def web_application(house: House, settings: Settings) -> FastAPI:
    """The HTTP face of an open house."""
    rooms = Rooms(
        catalog=house.catalog,
        receiver=house.receiver,
        door=house.door,
        health=partial(
            health, house.catalog, house.storage.quarantine, house.recovered, house.store_is_there
        ),
        options=WebOptions(allowed_hosts=settings.allowed_hosts, allowed_origins=settings.allowed_origins),
    )
    return create_application(rooms)


def dicom_server(house: House, settings: Settings) -> DicomServer:
    """The DICOM face of an open house, which listens from then on. Raises `HouseError` where it cannot."""
    rooms = scp_rooms.Rooms(house.catalog, house.receiver, house.door, settings.scp_options())
    try:
        return DicomServer(rooms)
    except AddressTakenError as error:
        raise HouseError(f"{error}. Choose another port with --dicom-port.") from error
    except TlsFileError as error:
        raise HouseError(str(error)) from error
