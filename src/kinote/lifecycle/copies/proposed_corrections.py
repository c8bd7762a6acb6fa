"""Corrections that copies propose which differ from the first ones in attributes of patient, study or order alone.

The images are the same, so a copy needs no place beside the first one: its header is kept, and all that came of a study
is one proposal, until somebody decides. Corrections themselves are acts of people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text

from kinote.catalog.schema.tables import proposed_correction, proposed_correction_copy
from kinote.catalog.schema.tables.copies import UNDECIDED
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects, statements
from kinote.security.actors import Actor

#: Values of an attribute that a proposal keeps; the headers have all.
_VALUES = 10


class CorrectionNotFoundError(LookupError):
    """There is no proposed correction with this number that is undecided."""


@dataclass(frozen=True, slots=True)
class ProposingCopy:
    """A copy that proposes: where the first one lies, its UID and digest, its packed header, and whence it came.

    `says` has the known value and its own, by keyword.
    """

    study_instance_uid: str
    sop_instance_uid: str
    digest: str
    header: bytes
    received_from: str
    by: Mapping[str, str]
    says: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ProposedCorrection:
    """A proposal for a study. `differences` has, by keyword, what is known and what copies say."""

    id: int
    study_instance_uid: str
    differences: Mapping[str, Mapping[str, Any]]
    copies: int
    first_at: str
    last_at: str
    decided_at: str
    decided_by: Actor | None
    decided_because: str


def propose(transaction: Connection, copies: Sequence[ProposingCopy], *, now: datetime) -> None:
    """Write what copies propose, all of a study in its one undecided row."""
    by_study: dict[str, list[ProposingCopy]] = {}
    for copy in copies:
        by_study.setdefault(copy.study_instance_uid, []).append(copy)
    # Two writers that meet the same studies take turns.
    dialects.lock_names(transaction, [f"proposal for {uid}" for uid in sorted(by_study)])
    moment = timestamp(now)
    for study_uid, those in sorted(by_study.items()):
        row = transaction.execute(
            _open.where(proposed_correction.c.study_instance_uid == study_uid)
        ).one_or_none()
        differences: dict[str, dict[str, Any]] = json.loads(row.differences) if row else {}
        for copy in those:
            _add(differences, copy.says)
        written = json.dumps(differences, ensure_ascii=False)
        if row is None:
            key: int = transaction.execute(
                proposed_correction.insert().returning(proposed_correction.c.id),
                {
                    "study_instance_uid": study_uid,
                    "differences": written,
                    "first_at": moment,
                    "last_at": moment,
                },
            ).scalar_one()
        else:
            key = row.id
            transaction.execute(
                proposed_correction.update()
                .where(proposed_correction.c.id == key)
                .values(differences=written, last_at=moment)
            )
        statements.insert_new(
            transaction,
            proposed_correction_copy,
            [
                {
                    "correction": key,
                    "sop_instance_uid": copy.sop_instance_uid,
                    "digest": copy.digest,
                    "header": copy.header,
                    "received_at": moment,
                    "received_from": copy.received_from,
                    **copy.by,
                }
                for copy in those
            ],
            unique=["correction", "sop_instance_uid", "digest"],
        )


def proposed_corrections(
    connection: Connection, *, study_instance_uid: str = "", after: int = 0, limit: int = 100
) -> list[ProposedCorrection]:
    """Return the undecided proposals in the order of their numbers, or that of one study."""
    query = _open.where(proposed_correction.c.id > after).order_by(proposed_correction.c.id).limit(limit)
    if study_instance_uid:
        query = query.where(proposed_correction.c.study_instance_uid == study_instance_uid)
    rows = connection.execute(query).all()
    return [_of_row(row, _number(connection, row.id)) for row in rows]


def dismiss(
    transaction: Connection, key: int, *, because: str, by: Actor, now: datetime
) -> ProposedCorrection:
    """Decide that what is known stays. Headers are kept, and a further copy begins a new proposal.

    Raises `CorrectionNotFoundError`.
    """
    row = transaction.execute(
        proposed_correction.update()
        .where(proposed_correction.c.id == key, text(UNDECIDED))
        .values(decided_at=timestamp(now), decided_because=because, **by.columns("decided_by"))
        .returning(*proposed_correction.c)
    ).one_or_none()
    if row is None:
        raise CorrectionNotFoundError(f"There is no proposed correction {key} that waits for a decision.")
    return _of_row(row, _number(transaction, key))


def _add(differences: dict[str, dict[str, Any]], says: Mapping[str, tuple[str, str]]) -> None:
    for attribute, (known, said) in says.items():
        values = differences.setdefault(attribute, {"known": known, "said": []})["said"]
        if said not in values and len(values) < _VALUES:
            values.append(said)


def _number(connection: Connection, key: int) -> int:
    query = select(func.count()).select_from(proposed_correction_copy)
    return connection.execute(query.where(proposed_correction_copy.c.correction == key)).scalar_one()


#: The condition is that of the index.
_open = select(proposed_correction).where(text(UNDECIDED))


def _of_row(row: Any, copies: int) -> ProposedCorrection:
    return ProposedCorrection(
        row.id,
        row.study_instance_uid,
        json.loads(row.differences),
        copies,
        row.first_at,
        row.last_at,
        row.decided_at,
        Actor.stored(row.decided_by_kind, row.decided_by_name, row.decided_by_address),
        row.decided_because,
    )
