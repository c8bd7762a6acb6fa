"""Held copies that name another patient than the study of the first copy does.

Such a copy is never only a proposal. Until somebody has decided about it, the study carries a banner, and nothing of it
is delivered automatically: whoever delivers by itself asks `hindrances_to_delivery` first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, patient_conflict, study
from kinote.catalog.sql import statements

#: Patient ID and issuer.
Named = tuple[str, str]


def contradicts(known: Named, said: Named) -> bool:
    """Return whether a patient is certainly not called so: another Patient ID, or another issuer.

    A part that is empty contradicts nothing.
    """
    return any(one and other and one != other for one, other in zip(known, said, strict=True))


@dataclass(frozen=True, slots=True)
class KnownStudy:
    """The study of a current instance, and what its patient is called now."""

    key: int
    study_instance_uid: str
    named: Named


@dataclass(frozen=True, slots=True)
class Conflict:
    """What copies of a study say of its patient: how many there are, and what each other patient is called."""

    study_instance_uid: str
    copies: int
    known: Named
    said: tuple[Named, ...]

    @property
    def sentence(self) -> str:
        """Return the banner of the study, for people."""
        copies = "A copy" if self.copies == 1 else f"{self.copies} copies"
        others = ", ".join(_shown(each) for each in self.said)
        return (
            f"{copies} of its objects came with another patient: {others}, while the study has {_shown(self.known)}. "
            "Nothing of it is delivered automatically until somebody has decided about the held copies."
        )


def known_studies(connection: Connection, sop_instance_uids: Collection[str]) -> dict[str, KnownStudy]:
    """Return the studies of current instances, by UID."""
    return {
        row.sop_instance_uid: KnownStudy(
            row.study, row.study_instance_uid, (row.patient_id, row.issuer_of_patient_id)
        )
        for row in _known(connection, sop_instance_uids)
    }


def record_conflicts(transaction: Connection, held: Mapping[int, tuple[int, str, Named]]) -> None:
    """Record which held copies, by key with their study, UID and patient, name another patient than the first copy."""
    first = known_studies(transaction, {uid for _, uid, _ in held.values()})
    rows = []
    for key, (held_study, uid, said) in held.items():
        known = first.get(uid)
        if known is not None and contradicts(known.named, said):
            rows.append(
                {
                    "instance": key,
                    "study": known.key,
                    "held_study": held_study,
                    "known_patient_id": known.named[0],
                    "known_issuer": known.named[1],
                    "said_patient_id": said[0],
                    "said_issuer": said[1],
                }
            )
    statements.insert_rows(transaction, patient_conflict, rows)


def conflicts(connection: Connection, study_instance_uids: Collection[str]) -> dict[str, Conflict]:
    """Return what is undecided about the patients of these studies, by UID; those without any are left out."""
    found: dict[str, list[Any]] = {}
    for look_up in (_of_study, _of_held_study):
        for row in look_up(connection, study_instance_uids):
            rows = found.setdefault(row.study_instance_uid, [])
            if all(row.instance != other.instance for other in rows):
                rows.append(row)
    return {
        uid: Conflict(
            uid,
            len(rows),
            (rows[0].known_patient_id, rows[0].known_issuer),
            tuple(sorted({(row.said_patient_id, row.said_issuer) for row in rows}))[:_TOLD],
        )
        for uid, rows in found.items()
    }


def hindrances_to_delivery(connection: Connection, study_instance_uids: Collection[str]) -> dict[str, str]:
    """Return why nothing of these studies may be delivered automatically, by UID; those that may are left out.

    People may still send what they choose.
    """
    return {uid: each.sentence for uid, each in conflicts(connection, study_instance_uids).items()}


#: Patients that a banner names.
_TOLD = 5


def _shown(named: Named) -> str:
    patient_id, issuer = named
    return f"{patient_id or 'no ID'}" + (f" of {issuer}" if issuer else "")


_known = statements.LookUp(
    select(
        instance.c.sop_instance_uid,
        study.c.id.label("study"),
        study.c.study_instance_uid,
        study.c.patient_id,
        study.c.issuer_of_patient_id,
    )
    .join(study, study.c.id == instance.c.study)
    .where(instance.c.is_current),
    instance.c.sop_instance_uid,
)

_columns = (
    study.c.study_instance_uid,
    patient_conflict.c.instance,
    patient_conflict.c.known_patient_id,
    patient_conflict.c.known_issuer,
    patient_conflict.c.said_patient_id,
    patient_conflict.c.said_issuer,
)

_of_study = statements.LookUp(
    select(*_columns)
    .join(study, study.c.id == patient_conflict.c.study)
    .order_by(patient_conflict.c.instance),
    study.c.study_instance_uid,
)

_of_held_study = statements.LookUp(
    select(*_columns)
    .join(study, study.c.id == patient_conflict.c.held_study)
    .order_by(patient_conflict.c.instance),
    study.c.study_instance_uid,
)
