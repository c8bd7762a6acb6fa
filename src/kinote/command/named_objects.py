"""Objects of the store that a command names, to be sent: from the running server, or from the data directory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from kinote.app import House
from kinote.command.client import Client, ServerError
from kinote.delivery.outgoing import Sendable, live
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.files.part10 import find_dataset
from kinote.holdings.live_objects import Selection
from kinote.holdings.unavailable import NotLiveError
from kinote.notes.lists import note as notes
from kinote.notes.lists import queries
from kinote.storage.data_directory import running_server

#: As it is stored, by itself.
_AS_STORED = "application/dicom; transfer-syntax=*"

#: UIDs of one question: they stand in its address.
_TOGETHER = 50

_AVAILABLE_TRANSFER_SYNTAX_UID = "00083002"


#: By the keyword of the UIDs that it names.
_SELECTIONS: dict[str, Callable[[tuple[str, ...]], Selection]] = {
    "StudyInstanceUID": lambda uids: Selection(studies=uids),
    "SeriesInstanceUID": lambda uids: Selection(series=uids),
    "SOPInstanceUID": lambda uids: Selection(instances=uids),
}


class NothingLiveError(ValueError):
    """There is nothing live of what was named; the message says of which."""


@dataclass(frozen=True, slots=True)
class Named:
    """All that is live of any of these goes out once; of a note its documents and what they refer to."""

    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    notes: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.studies or self.series or self.instances or self.notes)


class _Store(Protocol):
    """Who is asked what is live."""

    def select(self, key: str, uids: Sequence[str]) -> Iterable[Sendable]:
        """What is live with one of these as Study, Series or SOP Instance UID, whose keyword is `key`."""
        ...

    def note(self, number: int) -> Any:
        """A note as JSON, None if there is none."""
        ...


@contextmanager
def named_objects(
    data: Path, open_directory: Callable[[], AbstractContextManager[House]], named: Named
) -> Iterator[list[Sendable]]:
    """The objects, which can be opened until the block ends. Raises `NothingLiveError`.

    They are those of the server that has the data directory open; without one it is opened here.
    """
    if url := running_server(data):
        client = Client(url)
        try:
            yield _found(_Server(client), named)
        finally:
            client.close()
        return
    with open_directory() as house:
        yield _found(_Directory(house), named)


def _found(store: _Store, named: Named) -> list[Sendable]:
    found: dict[str, Sendable] = {}
    for key, uids in (
        ("StudyInstanceUID", named.studies),
        ("SeriesInstanceUID", named.series),
        ("SOPInstanceUID", named.instances),
    ):
        for uid in uids:
            objects = list(store.select(key, (uid,)))
            if not objects:
                raise NothingLiveError(f"Nothing that is live has the {key} {uid}.")
            found |= {each.sop_instance_uid: each for each in objects}
    for number in named.notes:
        note = store.note(number)
        if note is None or note["standing"] != "live":
            raise NothingLiveError(f"There is no note {number}, or it has been withdrawn.")
        found |= {each.sop_instance_uid: each for each in store.select("SOPInstanceUID", _instances_of(note))}
    return list(found.values())


def _instances_of(note: Any) -> list[str]:
    """The UIDs of a note's documents, and of all that they refer to; what is not here will not be found."""
    flagged = [each for each in note["references"] if each["status"] != "foreign"]
    uids = [each["sop_instance_uid"] for each in (*note["key_objects"], *flagged)]
    uids += [each["presentation_state_uid"] for each in flagged if each["presentation_state_uid"]]
    return list(dict.fromkeys(uids))


class _Directory:
    """A data directory that no server has open."""

    def __init__(self, house: House) -> None:
        self._house = house

    def select(self, key: str, uids: Sequence[str]) -> Iterator[Sendable]:
        door = self._house.door
        for some in _some(uids):
            with self._house.catalog.read() as connection:
                objects = door.select(connection, _SELECTIONS[key](some))
            yield from (live(door, each) for each in objects)

    def note(self, number: int) -> Any:
        with self._house.catalog.read() as connection:
            found = queries.note(connection, number)
        return found and notes.as_json(found)


class _Server:
    """The running server: each object is asked of it at the moment it is sent."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def select(self, key: str, uids: Sequence[str]) -> Iterator[Sendable]:
        for some in _some(uids):
            asked = urlencode({key: ",".join(some), "includefield": _AVAILABLE_TRANSFER_SYNTAX_UID})
            for match in self._client.get(f"/dicomweb/instances?{asked}"):
                study, series, instance, sop_class, syntax = (
                    match[tag]["Value"][0]
                    for tag in (
                        "0020000D",
                        "0020000E",
                        "00080018",
                        "00080016",
                        _AVAILABLE_TRANSFER_SYNTAX_UID,
                    )
                )
                path = f"/dicomweb/studies/{quote(study)}/series/{quote(series)}/instances/{quote(instance)}"
                yield Sendable(
                    sop_class, instance, syntax, partial(_downloaded, self._client, path, instance)
                )

    def note(self, number: int) -> Any:
        return self._client.get(f"/api/v1/notes/{number}")


def _downloaded(client: Client, path: str, sop_instance_uid: str) -> DataSet:
    try:
        file = client.download(path, _AS_STORED)
        if file is None:
            raise NotLiveError(sop_instance_uid)
        size = file.seek(0, 2)
        file.seek(0)
        find_dataset(file)
    except (ServerError, DicomError) as error:
        raise OSError(str(error)) from error
    return DataSet(file, size - file.tell())


def _some(uids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for at in range(0, len(uids), _TOGETHER):
        yield tuple(uids[at : at + _TOGETHER])
