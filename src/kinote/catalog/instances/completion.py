"""What describes a study: its live instances, the first of them first.

A study is described by the live instance that came first, often enough a report or a KOS that says little.
What it left empty is taken from live instances that come later; what it said stays, until a correction is
laid over it. What is not live describes a study only while nothing in it has been: its row must say something.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.columns import attribute_lines
from kinote.catalog.columns.patient_identity import are_different
from kinote.catalog.instances.entry import InstanceEntry, Row
from kinote.catalog.instances.patient_keys import patient_keys
from kinote.catalog.instances.study_text import index_study_text
from kinote.catalog.schema.tables import study
from kinote.catalog.sql import dialects, statements
from kinote.dicom.dictionary import tags

#: The columns of an entry's study row that hold what the data set says, beside whose it is.
DESCRIBING = (
    "patient_name_alphabetic",
    "patient_name_ideographic",
    "patient_name_phonetic",
    "patient_birth_date",
    "patient_sex",
    "study_date",
    "study_time",
    "study_id",
    "accession_number",
    "study_description",
    "referring_physician_name_alphabetic",
    "referring_physician_name_ideographic",
    "referring_physician_name_phonetic",
)

#: Whose it is: taken together from one instance, as an ID means nothing with another's issuer.
_ISSUER = "issuer_of_patient_id"
_IDENTITY = ("patient_id", _ISSUER)
_IDENTITY_TAGS = frozenset(f"{tag:08X}" for tag in (tags.PATIENT_ID, tags.ISSUER_OF_PATIENT_ID))

#: Of the date and time that it came with; it says nothing of another instance's.
_ZONE = "timezone_offset"
_ZONE_TAG = f"{tags.TIMEZONE_OFFSET_FROM_UTC:08X}"

_CHANGED = ("patient", *_IDENTITY, *DESCRIBING, _ZONE, "attributes")

Place = TypeVar("Place", bound=Hashable)

#: A withdrawn instance may be restored; a held copy never becomes live as it is.
_RANKS = {"live": 0, "withdrawn": 1}


@dataclass(slots=True)
class Describing:
    """The instances of a group that describe one place: all of the standing that says most."""

    standing: str
    entries: list[InstanceEntry] = field(default_factory=list)


def describing(
    came: Iterable[tuple[InstanceEntry, str]], place: Callable[[InstanceEntry], Place]
) -> dict[Place, Describing]:
    """By place (a study, a series) what describes it, of entries with their standing."""
    found: dict[Place, Describing] = {}
    for entry, standing in came:
        where = place(entry)
        known = found.get(where)
        if known is None or _rank(standing) < _rank(known.standing):
            known = found[where] = Describing(standing)
        if known.standing == standing:
            known.entries.append(entry)
    return found


def describes_anew(live_count: int, standing: str) -> bool:
    """Whether an instance that comes takes the place of what a study or series was described by."""
    return not live_count and standing != "held"


def _rank(standing: str) -> int:
    return _RANKS.get(standing, len(_RANKS))


def complete_studies(
    transaction: Connection, met: Iterable[tuple[Mapping[str, Any], Describing]]
) -> tuple[list[Mapping[str, Any]], set[str]]:
    """Complete the rows of studies; rows without gaps cost nothing.

    Gives those that are other than before, as they are now, and the Study Instance UIDs of those that are another
    patient's.
    """
    wanting = [(row, offered) for row, offered in met if _changed(row, offered) is not None]
    if not wanting:
        return [], set()
    completed = [
        (row, now)
        for row, offered in _locked(transaction, wanting)
        if (now := _changed(row, offered)) is not None
    ]
    if not completed:
        return [], set()
    moved = [now for row, now in completed if any(now[name] != row[name] for name in _IDENTITY)]
    keys = patient_keys(transaction, [(now["patient_id"], now["issuer_of_patient_id"]) for now in moved])
    for now, key in zip(moved, keys, strict=True):
        now["patient"] = key
    rows = sorted((now for _, now in completed), key=lambda now: now["id"])
    columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _CHANGED}
    transaction.execute(
        study.update().where(study.c.id == bindparam("key")).values(**columns), list(map(_parameters, rows))
    )
    index_study_text(transaction, rows)
    return [now for _, now in completed], {now["study_instance_uid"] for now in moved}


def _locked(
    transaction: Connection, met: Sequence[tuple[Mapping[str, Any], Describing]]
) -> Sequence[tuple[Mapping[str, Any], Describing]]:
    """The rows as they are now, nobody else's until the end: another writer may just have completed them."""
    if not dialects.has_several_writers(transaction):
        return met
    now = {row.id: row._asdict() for row in _by_key(transaction, [row["id"] for row, _ in met])}
    return [(now[row["id"]], offered) for row, offered in met]


# Keys stay: instances that refer to the study go on coming in meanwhile.
_by_key = statements.LookUp(select(study).order_by(study.c.id).with_for_update(key_share=True), study.c.id)


def _changed(row: Mapping[str, Any], offered: Describing) -> dict[str, Any] | None:
    """The row as it is to be; None where it stays as it is."""
    now = _completed(row, offered)
    if now is row or all(now[name] == row[name] for name in _CHANGED):
        return None
    return dict(now)


def _completed(row: Mapping[str, Any], offered: Describing) -> Mapping[str, Any]:
    entries: Sequence[InstanceEntry] = offered.entries
    if describes_anew(row["instance_count"], offered.standing):
        row = {**row, **{name: entries[0].study_row[name] for name in _CHANGED if name != "patient"}}
    elif offered.standing != "live":
        return row
    for entry in entries:
        row = _with_gaps_filled(row, entry)
    return row


def _with_gaps_filled(row: Mapping[str, Any], entry: InstanceEntry) -> Mapping[str, Any]:
    offered = entry.study_row
    if are_different((row["patient_id"], row[_ISSUER]), (offered["patient_id"], offered[_ISSUER])):
        return row
    names = [name for name in DESCRIBING if not row[name] and offered[name]]
    takes_identity = not row["patient_id"] and bool(offered["patient_id"])
    if takes_identity:
        names += _IDENTITY
    if not names:
        return row
    kept_out = set() if takes_identity else {*_IDENTITY_TAGS}
    if "study_date" in names and not row["study_time"]:
        names.append(_ZONE)
    else:
        kept_out.add(_ZONE_TAG)
    return {
        **row,
        **{name: offered[name] for name in names},
        "attributes": _merged(row["attributes"], offered["attributes"], kept_out),
    }


def _parameters(row: Mapping[str, Any]) -> Row:
    return {"key": row["id"], **{f"new_{name}": row[name] for name in _CHANGED}}


def _merged(kept: str, offered: str, kept_out: Set[str]) -> str:
    """The kept DICOM JSON object, with the values of the offered one where it has none."""
    attributes = {attribute_lines.tag(line): line for line in attribute_lines.split(kept)}
    for line in attribute_lines.split(offered):
        tag = attribute_lines.tag(line)
        if tag not in kept_out and '"Value":' in line and '"Value":' not in attributes.get(tag, ""):
            attributes[tag] = line
    return attribute_lines.join(attributes.values())
