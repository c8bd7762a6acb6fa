"""The only way to an instance's bytes: what is live, found in the live view, opened where it lies."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select

from kinote.catalog.live import live_instance
from kinote.catalog.statements import FindOne
from kinote.catalog.tables import instance_bytes, series, study
from kinote.catalog.transactions import Catalog
from kinote.storage.stores import Stores


class Described(Protocol):
    """What is said of a data set."""

    @property
    def sop_class_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def transfer_syntax_uid(self) -> str: ...


class StoredObject(Described, Protocol):
    """What is needed to hand out a stored data set: a `LiveObject`, or a held copy for the administrator."""

    @property
    def id(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def store(self) -> int: ...
    @property
    def file_key(self) -> str | None: ...
    @property
    def dataset_offset(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LiveObject:
    """A live instance as it can be delivered."""

    id: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    #: Of the data set as received, in hex, and its size in bytes.
    digest: str
    size: int
    frames: int | None
    pixel_rows: int | None
    pixel_columns: int | None
    store: int
    file_key: str | None
    #: Where in the opened file the data set begins, in bytes.
    dataset_offset: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects: all that is named must hold, of each list one. Something must be named."""

    patient_id: str | None = None
    issuer_of_patient_id: str | None = None
    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.patient_id or self.studies or self.series or self.instances):
            raise ValueError("A selection names a patient, a study, a series or an instance")


def _conditions(wanted: Selection) -> Iterator[ColumnElement[bool]]:
    if wanted.patient_id is not None:
        yield study.c.patient_id == wanted.patient_id
    if wanted.issuer_of_patient_id is not None:
        yield study.c.issuer_of_patient_id == wanted.issuer_of_patient_id
    for column, uids in (
        (study.c.study_instance_uid, wanted.studies),
        (series.c.series_instance_uid, wanted.series),
        (live_instance.c.sop_instance_uid, wanted.instances),
    ):
        if uids:
            yield column.in_(uids)


_IN_READING_ORDER = (
    series.c.series_number,
    series.c.id,
    live_instance.c.instance_number,
    live_instance.c.id,
)

#: Whether an object is live and where its bytes are, or these themselves.
_LIVE_BYTES = FindOne(
    select(
        live_instance.c.store,
        live_instance.c.file_key,
        live_instance.c.dataset_offset,
        instance_bytes.c.dataset,
    )
    .outerjoin(instance_bytes, instance_bytes.c.instance == live_instance.c.id)
    .where(live_instance.c.id == bindparam("id"))
)


class Source:
    """Finds live objects and opens their bytes."""

    def __init__(self, catalog: Catalog, stores: Stores) -> None:
        self._catalog = catalog
        self._stores = stores

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
        query = query.order_by(*_IN_READING_ORDER)
        return [LiveObject(**row) for row in connection.execute(query).mappings()]

    def find_instance(self, connection: Connection, sop_instance_uid: str) -> LiveObject | None:
        """The live object with a SOP Instance UID, wherever it lies."""
        query = live_objects().where(live_instance.c.sop_instance_uid == sop_instance_uid)
        row = connection.execute(query).mappings().one_or_none()
        return LiveObject(**row) if row else None

    def select(self, connection: Connection, wanted: Selection) -> list[LiveObject]:
        """The live objects of a selection, study by study in the order people read them."""
        query = live_objects().where(*_conditions(wanted)).order_by(study.c.id, *_IN_READING_ORDER)
        return [LiveObject(**row) for row in connection.execute(query).mappings()]

    def open_live(self, wanted: LiveObject) -> BinaryIO | None:
        """The bytes of an object that was found some time ago, as `open` gives them; None if it is no longer live.

        What leaves is what was live when it was opened: one query says that and where the bytes are.
        """
        found = self._catalog.find_latest(_LIVE_BYTES, id=wanted.id)
        if found is None:
            return None
        store, file_key, dataset_offset, dataset = found
        if file_key is None:
            return io.BytesIO(dataset)
        return self._stores.open(store, file_key, dataset_offset, buffered=False)

    def open(self, wanted: StoredObject) -> BinaryIO:
        """The bytes of an object as a file, positioned at its data set.

        For an object in the index the file holds just the data set, so `dataset_offset` is 0.
        """
        if wanted.file_key is not None:
            return self._stores.open(wanted.store, wanted.file_key, wanted.dataset_offset)
        with self._catalog.read() as connection:
            dataset = connection.execute(
                select(instance_bytes.c.dataset).where(instance_bytes.c.instance == wanted.id)
            ).scalar_one()
        return io.BytesIO(dataset)


def live_objects() -> Select[tuple[object, ...]]:
    """The live view with the UIDs of study and series: the columns of `LiveObject`."""
    return (
        select(
            live_instance.c.id,
            study.c.study_instance_uid,
            series.c.series_instance_uid,
            live_instance.c.sop_instance_uid,
            live_instance.c.sop_class_uid,
            live_instance.c.transfer_syntax_uid,
            live_instance.c.digest,
            live_instance.c.size,
            live_instance.c.frames,
            live_instance.c.pixel_rows,
            live_instance.c.pixel_columns,
            live_instance.c.store,
            live_instance.c.file_key,
            live_instance.c.dataset_offset,
        )
        .join(series, series.c.id == live_instance.c.series)
        .join(study, study.c.id == live_instance.c.study)
    )
