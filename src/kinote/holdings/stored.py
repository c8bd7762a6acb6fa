"""What the index says about an instance's bytes: their location, size and digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Table, select

from kinote.catalog.instances.overlays import has_overlay
from kinote.catalog.schema.tables import instance_bytes, series, study


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes of one instance: in a file from `dataset_offset` on, or in `dataset` itself.

    They are `size` bytes with this digest. Both are None if the bytes have not been made.
    """

    id: int
    sop_instance_uid: str
    residence: str
    store: int
    file_key: str | None
    dataset_offset: int
    size: int
    digest: str
    digest_algorithm: str
    dataset: bytes | None
    #: The levels that have corrections to apply on the way out; 0 for none.
    study_overlay: int
    series_overlay: int
    instance_overlay: int

    @property
    def has_overlay(self) -> bool:
        return bool(self.study_overlay or self.series_overlay or self.instance_overlay)


def stored_bytes(table: Table) -> Select[Any]:
    """Return the columns of `Stored`, in their order, of `instance` or of the live view."""
    return (
        select(
            table.c.id,
            table.c.sop_instance_uid,
            table.c.residence,
            table.c.store,
            table.c.file_key,
            table.c.dataset_offset,
            table.c.size,
            table.c.digest,
            table.c.digest_algorithm,
            instance_bytes.c.dataset,
            *has_overlay(table),
        )
        .join(series, series.c.id == table.c.series)
        .join(study, study.c.id == table.c.study)
        .outerjoin(instance_bytes, instance_bytes.c.instance == table.c.id)
    )
