"""Puts the house together: opens the rooms in order, and closes them in reverse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kinote.catalog.catalog import Catalog, CatalogOptions
from kinote.catalog.commits import CommitInDoubtError
from kinote.catalog.migrations import ForeignSchemaError
from kinote.delivery.source import Source
from kinote.dimse.acceptor import AddressTakenError
from kinote.dimse.tls import TlsFileError
from kinote.intake.receiver import Receiver
from kinote.intake.recovery import recover
from kinote.scp import rooms as scp_rooms
from kinote.scp.server import DicomServer
from kinote.settings import Settings
from kinote.storage.data_directory import DataDirectory
from kinote.storage.local import LocalStorage
from kinote.web.application import Rooms, WebOptions, create_application
from kinote.web.metrics import observe_outcome


class HouseError(RuntimeError):
    """The house cannot be opened; the message says what is in the way and what to do."""


@dataclass(frozen=True, slots=True)
class House:
    """The open rooms of one Kinote."""

    directory: DataDirectory
    catalog: Catalog
    receiver: Receiver
    source: Source


@contextmanager
def open_house(settings: Settings) -> Iterator[House]:
    """Open the data directory and all rooms on it.

    Raises `DataDirectoryInUseError` if another has it, `HouseError` if it or the index cannot be used.
    """
    with _telling_of_folder(settings.data):
        directory = DataDirectory(settings.data, shared=bool(settings.database))
    try:
        with _telling_of_folder(directory.path):
            storage = LocalStorage(directory.path)
        url = settings.database or directory.index_url
        with _telling_of_index(url):
            catalog = Catalog(CatalogOptions(url=url))
        try:
            if directory.was_alone:
                with _telling_of_index(url):
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
    except (SQLAlchemyError, ImportError, ForeignSchemaError, CommitInDoubtError) as error:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            name = address.database
            remedy = "Put back a copy of the data directory, or choose another one with --data."
        else:
            name = address.render_as_string(hide_password=True)
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
        source=house.source,
        options=WebOptions(allowed_hosts=settings.allowed_hosts, allowed_origins=settings.allowed_origins),
    )
    return create_application(rooms)


def dicom_server(house: House, settings: Settings) -> DicomServer:
    """The DICOM face of an open house, which listens from then on. Raises `HouseError` where it cannot."""
    rooms = scp_rooms.Rooms(house.catalog, house.receiver, house.source, settings.scp_options())
    try:
        return DicomServer(rooms)
    except AddressTakenError as error:
        raise HouseError(f"{error}. Choose another port with --dicom-port.") from error
    except TlsFileError as error:
        raise HouseError(str(error)) from error
