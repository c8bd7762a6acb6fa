"""The only way to an instance's bytes: what is live, found in the live view, opened where it lies."""

from __future__ import annotations

import io
from typing import BinaryIO

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.live import live_instance
from kinote.catalog.statements import FindOne
from kinote.catalog.tables import instance_bytes, series, study
from kinote.catalog.transactions import Catalog
from kinote.holdings.live_objects import (
    IN_READING_ORDER,
    LiveObject,
    Selection,
    StoredObject,
    conditions_of,
    live_objects,
)
from kinote.storage.local import LocalStorage

#: Whether an object is live and where its bytes are, or these themselves.
_LIVE_BYTES = FindOne(
    select(live_instance.c.file_key, live_instance.c.dataset_offset, instance_bytes.c.dataset)
    .outerjoin(instance_bytes, instance_bytes.c.instance == live_instance.c.id)
    .where(live_instance.c.id == bindparam("id"))
)


class Door:
    """Finds live objects and opens their bytes."""

    def __init__(self, catalog: Catalog, storage: LocalStorage) -> None:
        self._catalog = catalog
        self._storage = storage

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

    def open_live(self, wanted: LiveObject) -> BinaryIO | None:
        """The bytes of an object that was found some time ago, as `open` gives them; None if it is no longer live.

        What leaves is what was live when it was opened: one query says that and where the bytes are.
        """
        found = self._catalog.find_latest(_LIVE_BYTES, id=wanted.id)
        if found is None:
            return None
        file_key, dataset_offset, dataset = found
        if file_key is None:
            return io.BytesIO(dataset)
        return self._storage.open(file_key, dataset_offset, buffered=False)

    def open(self, wanted: StoredObject) -> BinaryIO:
        """The bytes of an object as a file, positioned at its data set.

        For an object in the index the file holds just the data set, so `dataset_offset` is 0.
        """
        if wanted.file_key is not None:
            return self._storage.open(wanted.file_key, wanted.dataset_offset)
        with self._catalog.read() as connection:
            dataset = connection.execute(
                select(instance_bytes.c.dataset).where(instance_bytes.c.instance == wanted.id)
            ).scalar_one()
        return io.BytesIO(dataset)
