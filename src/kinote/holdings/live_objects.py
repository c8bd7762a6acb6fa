"""Live objects as the live view has them: the values with which the door opens them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, and_, bindparam, select

from kinote.catalog.instances.overlays import has_overlay
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import series, study
from kinote.catalog.sql.statements import FindAll
from kinote.catalog.transactions.catalog import Catalog


class Described(Protocol):
    """The attributes that describe a data set."""

    @property
    def sop_class_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def transfer_syntax_uid(self) -> str: ...


@dataclass(frozen=True, slots=True)
class LiveObject:
    """A live instance that can be delivered."""

    id: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    #: Of the data set as received: digest in hex, and size in bytes.
    digest: str
    size: int
    frames: int | None
    pixel_rows: int | None
    pixel_columns: int | None
    #: The residence at the time it was found.
    residence: str
    #: Whether its bytes are in the index rather than in a store.
    in_index: bool
    #: 0 if it goes out as received. Otherwise the value changes whenever the overlay changes (`overlays`).
    study_overlay: int
    series_overlay: int
    instance_overlay: int

    @property
    def overlay(self) -> tuple[int, int, int] | None:
        """A value that distinguishes output with corrections from received bytes and from other corrections."""
        found = self.study_overlay, self.series_overlay, self.instance_overlay
        return found if any(found) else None


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects wanted: those that match one value of every list given. At least one list must be given."""

    patient_id: str | None = None
    issuer_of_patient_id: str | None = None
    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.patient_id or self.studies or self.series or self.instances):
            raise ValueError("A selection names a patient, a study, a series or an instance")


IN_READING_ORDER = (
    series.c.series_number,
    series.c.id,
    live_instance.c.instance_number,
    live_instance.c.id,
)


def live_objects() -> Select[Any]:
    """Return the query for live objects with the UIDs of study and series: the columns of `LiveObject`."""
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
            live_instance.c.residence,
            # An evicted instance has no file either, but its header is in the index like that of any image.
            and_(live_instance.c.file_key.is_(None), live_instance.c.residence != "remote").label("in_index"),
            *has_overlay(live_instance),
        )
        .join(series, series.c.id == live_instance.c.series)
        .join(study, study.c.id == live_instance.c.study)
    )


def _in_order_of_studies(*conditions: ColumnElement[bool]) -> Select[Any]:
    return live_objects().where(*conditions).order_by(study.c.id, *IN_READING_ORDER)


#: The columns of a selection, by the names of its parts.
_COLUMNS: Mapping[str, ColumnElement[str]] = {
    "patient_id": study.c.patient_id,
    "issuer_of_patient_id": study.c.issuer_of_patient_id,
    "studies": study.c.study_instance_uid,
    "series": series.c.series_instance_uid,
    "instances": live_instance.c.sop_instance_uid,
}


def selected(catalog: Catalog, wanted: Selection) -> list[LiveObject]:
    """Return the live objects of a selection, study by study in the order people read them."""
    values = {name: value for name in _COLUMNS if (value := getattr(wanted, name))}
    single = {name: value for name, value in values.items() if isinstance(value, str)}
    single |= {name: value[0] for name, value in values.items() if name not in single and len(value) == 1}
    if single.keys() == values.keys():
        rows = catalog.find_all_latest(_with_values(frozenset(single)), **single)
    else:
        listed = (
            _COLUMNS[name].in_([value] if isinstance(value, str) else value) for name, value in values.items()
        )
        with catalog.read() as connection:
            rows = connection.execute(_in_order_of_studies(*listed)).all()
    return [LiveObject(*row) for row in rows]


@cache
def _with_values(names: frozenset[str]) -> FindAll:
    """Return the query for one value of each of these parts. It is built once, because almost every retrieval uses
    it.
    """
    return FindAll(_in_order_of_studies(*(_COLUMNS[name] == bindparam(name) for name in sorted(names))))
