"""The only way to an instance's bytes.

An instance is looked up in the live view at the moment it is opened, and what is done depends on where its bytes are
then (design, "residence").
"""

from __future__ import annotations

import io
from collections.abc import Callable

from sqlalchemy import Connection, bindparam

from kinote.catalog.live import live_instance
from kinote.catalog.statements import FindOne
from kinote.catalog.tables import HELD, instance, series, study
from kinote.catalog.transactions import Catalog
from kinote.dicom.files.data_set_file import DataSet
from kinote.holdings.live_objects import (
    IN_READING_ORDER,
    LiveObject,
    Selection,
    conditions_of,
    live_objects,
)
from kinote.holdings.stored import Stored, stored_bytes
from kinote.holdings.unavailable import (
    BytesDamagedError,
    BytesElsewhereError,
    BytesGoneError,
    BytesNotMadeError,
    NotLiveError,
    StoreUnreachableError,
)
from kinote.lifecycle.held import HeldCopy
from kinote.storage.local import LocalStorage

_LIVE_BYTES = FindOne(stored_bytes(live_instance).where(live_instance.c.id == bindparam("id")))

_HELD_BYTES = FindOne(
    stored_bytes(instance).where(instance.c.id == bindparam("id"), instance.c.standing == HELD)
)

#: Gives the data set of an instance whose bytes are not here. Raises `BytesUnavailableError` where it cannot.
Provider = Callable[[Stored], DataSet]


class Door:
    """Finds live objects and opens their bytes.

    `make` gives bytes that are derivable, `recall` those that another system has.
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: LocalStorage,
        *,
        make: Provider | None = None,
        recall: Provider | None = None,
    ) -> None:
        self._catalog = catalog
        self._storage = storage
        self._make = make
        self._recall = recall

    def find(
        self,
        connection: Connection,
        study_instance_uid: str,
        series_instance_uid: str | None = None,
        sop_instance_uid: str | None = None,
    ) -> list[LiveObject]:
        """The live objects of a study, a series of it, or one instance, in the order people read them."""
        query = live_objects().where(study.c.study_instance_uid == study_instance_uid)
        if series_instance_uid is not None:
            query = query.where(series.c.series_instance_uid == series_instance_uid)
        if sop_instance_uid is not None:
            query = query.where(live_instance.c.sop_instance_uid == sop_instance_uid)
        query = query.order_by(*IN_READING_ORDER)
        return [LiveObject(**row) for row in connection.execute(query).mappings()]

    def find_instance(self, connection: Connection, sop_instance_uid: str) -> LiveObject | None:
        """The live object with a SOP Instance UID, wherever it lies."""
        query = live_objects().where(live_instance.c.sop_instance_uid == sop_instance_uid)
        row = connection.execute(query).mappings().one_or_none()
        return LiveObject(**row) if row else None

    def select(self, connection: Connection, wanted: Selection) -> list[LiveObject]:
        """The live objects of a selection, study by study in the order people read them."""
        query = live_objects().where(*conditions_of(wanted)).order_by(study.c.id, *IN_READING_ORDER)
        return [LiveObject(**row) for row in connection.execute(query).mappings()]

    def can_open(self, found: LiveObject) -> bool:
        """Whether the bytes of an object can be had, by what the index said of them when it was found."""
        return (
            found.residence == "local"
            or (found.residence == "derivable" and self._make is not None)
            or (found.residence == "remote" and self._recall is not None)
        )

    def open(self, wanted: LiveObject) -> DataSet:
        """The data set of an object that was found before, as a file of its own that whoever asked closes.

        What leaves is what is live now. Raises `NotLiveError` if it no longer is, and `BytesUnavailableError`, each
        reason by a class of its own, where its bytes cannot be had.
        """
        return self._open(_LIVE_BYTES, wanted.id, wanted.sop_instance_uid)

    def open_held(self, wanted: HeldCopy) -> DataSet:
        """The same of a held copy, for the administrator."""
        return self._open(_HELD_BYTES, wanted.id, wanted.sop_instance_uid)

    def _open(self, query: FindOne, key: int, uid: str) -> DataSet:
        found = self._catalog.find_latest(query, id=key)
        if found is None:
            raise NotLiveError(uid)
        stored = Stored(*found)
        match stored.residence:
            case "local":
                return self._local(stored)
            case "derivable":
                if self._make is None:
                    raise BytesNotMadeError(uid)
                return self._make(stored)
            case "remote":
                if self._recall is None:
                    raise BytesElsewhereError(uid)
                return self._recall(stored)
            case "damaged":
                raise BytesDamagedError(uid)
            case _:
                raise BytesGoneError(uid)

    def _local(self, stored: Stored) -> DataSet:
        if stored.file_key is None:
            return DataSet(io.BytesIO(stored.dataset or b""), stored.size)
        try:
            file = self._storage.open(stored.file_key, stored.dataset_offset, buffered=False)
        except OSError as error:
            raise StoreUnreachableError(stored.sop_instance_uid, error) from error
        return DataSet(file, stored.size)
