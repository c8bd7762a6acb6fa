"""Objects of the store that a command names, to be sent. Each is downloaded when its turn comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from kinote.command.store.client import Client, ServerError
from kinote.delivery.outgoing import Sendable
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.files.part10 import find_dataset
from kinote.holdings.unavailable import NotLiveError

#: The stored bytes, as a single part.
_AS_STORED = "application/dicom; transfer-syntax=*"

#: The number of UIDs in a query: they are part of its address.
_TOGETHER = 50

_AVAILABLE_TRANSFER_SYNTAX_UID = "00083002"


class NothingLiveError(ValueError):
    """Nothing of what was named is live. The message says which."""


@dataclass(frozen=True, slots=True)
class Named:
    """What is live of any of these is sent, each object once; for a note, its documents and what they refer to."""

    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    notes: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.studies or self.series or self.instances or self.notes)


def named_objects(store: Client, named: Named) -> list[Sendable]:
    """Return all objects; they can be opened while `store` is open. Raises `NothingLiveError`."""
    found: dict[str, Sendable] = {}
    for key, uids in (
        ("StudyInstanceUID", named.studies),
        ("SeriesInstanceUID", named.series),
        ("SOPInstanceUID", named.instances),
    ):
        for uid in uids:
            objects = list(_live(store, key, (uid,)))
            if not objects:
                raise NothingLiveError(f"Nothing that is live has the {key} {uid}.")
            found |= {each.sop_instance_uid: each for each in objects}
    for number in named.notes:
        note = store.get(f"/api/v1/notes/{number}")
        if note is None or note["standing"] != "live":
            raise NothingLiveError(f"There is no note {number}, or it has been withdrawn.")
        found |= {each.sop_instance_uid: each for each in _live(store, "SOPInstanceUID", _instances_of(note))}
    return list(found.values())


def _instances_of(note: Any) -> list[str]:
    """Return the UIDs of a note's documents, and of all that they refer to. Missing instances will not be found."""
    flagged = [each for each in note["references"] if each["status"] != "foreign"]
    uids = [each["sop_instance_uid"] for each in (*note["key_objects"], *flagged)]
    uids += [each["presentation_state_uid"] for each in flagged if each["presentation_state_uid"]]
    return list(dict.fromkeys(uids))


def _live(store: Client, key: str, uids: Sequence[str]) -> Iterator[Sendable]:
    """Yield what is live with one of these as Study, Series or SOP Instance UID; `key` is the keyword."""
    for start in range(0, len(uids), _TOGETHER):
        together = ",".join(uids[start : start + _TOGETHER])
        asked = urlencode({key: together, "includefield": _AVAILABLE_TRANSFER_SYNTAX_UID})
        for match in store.get(f"/dicomweb/instances?{asked}"):
            study, series, instance, sop_class, syntax = (
                match[tag]["Value"][0]
                for tag in ("0020000D", "0020000E", "00080018", "00080016", _AVAILABLE_TRANSFER_SYNTAX_UID)
            )
            path = f"/dicomweb/studies/{quote(study)}/series/{quote(series)}/instances/{quote(instance)}"
            yield Sendable(sop_class, instance, syntax, partial(_downloaded, store, path, instance))


def _downloaded(store: Client, path: str, sop_instance_uid: str) -> DataSet:
    try:
        file = store.download(path, _AS_STORED)
        if file is None:
            raise NotLiveError(sop_instance_uid)
        size = file.seek(0, 2)
        file.seek(0)
        find_dataset(file)
    except (ServerError, DicomError) as error:
        raise OSError(str(error)) from error
    return DataSet(file, size - file.tell())
