"""What somebody misses, what there is of it, and a cause as it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from kinote.catalog.schema.tables import instance

#: How many UIDs a cause names, and up to how many it counts.
SHOWN, COUNTED = 20, 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody misses. Empty parts say nothing; moments are as in columns."""

    accession: str = ""
    patient: str = ""
    study: str = ""
    instance: str = ""
    sender: str = ""
    since: str = ""
    until: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.accession or self.patient or self.study or self.instance or self.sender)


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason: a stable code, a sentence, what to do, and the UIDs that it is about (the first of `count`)."""

    code: str
    sentence: str
    remedy: str
    count: int = 0
    uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of what was asked for: keys and UIDs of studies, and a condition on its instances."""

    studies: Sequence[Any]
    instances: ColumnElement[bool]

    @property
    def study_uids(self) -> list[str]:
        return [row.study_instance_uid for row in self.studies]


def with_uid(uid: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition of all copies of a UID."""
    # One query each, so that each uses its own index.
    return or_(
        and_(instance.c.sop_instance_uid == uid, instance.c.is_current),
        and_(instance.c.sop_instance_uid == uid, ~instance.c.is_current),
    )


def of_instances(
    connection: Connection, condition: ColumnElement[bool], code: str, sentence: str, remedy: str
) -> Iterator[Cause]:
    """Yield the cause for all instances that meet a condition, if there are any."""
    yield from cause_of(
        connection, select(instance.c.sop_instance_uid).where(condition), code, sentence, remedy
    )


def cause_of(connection: Connection, query: Any, code: str, sentence: str, remedy: str) -> Iterator[Cause]:
    """Yield the cause for all UIDs of a query, if there are any."""
    uids = list(connection.execute(query.limit(COUNTED)).scalars())
    if uids:
        yield Cause(code, sentence.format(len(uids)), remedy, len(uids), tuple(uids[:SHOWN]))
