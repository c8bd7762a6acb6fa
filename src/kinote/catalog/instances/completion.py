"""The attributes of a study, from its live instances, the first of them first.

The live instance that came first describes the study. It is often a report or a KOS with few attributes. Attributes
that it left empty are taken from later live instances; attributes that it has are kept, unless a correction
overlays them. An instance that is not live describes a study only as long as the study has had no live one.
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

#: The columns of a study row that come from the data set, except the patient's identity.
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

#: The patient's identity. Both values come from one instance, since an ID has no meaning with another's issuer.
_ISSUER = "issuer_of_patient_id"
_IDENTITY = ("patient_id", _ISSUER)
_IDENTITY_TAGS = frozenset(f"{tag:08X}" for tag in (tags.PATIENT_ID, tags.ISSUER_OF_PATIENT_ID))

#: Belongs to the date and time of its instance, and says nothing about those of another instance.
_ZONE = "timezone_offset"
_ZONE_TAG = f"{tags.TIMEZONE_OFFSET_FROM_UTC:08X}"

_CHANGED = ("patient", *_IDENTITY, *DESCRIBING, _ZONE, "attributes")

Place = TypeVar("Place", bound=Hashable)

#: A withdrawn instance may be restored. A held copy never becomes live as it is.
_RANKS = {"live": 0, "withdrawn": 1}


@dataclass(slots=True)
class Describing:
    """Those instances of a group that describe a study or series: all with the standing that takes precedence."""

    standing: str
    entries: list[InstanceEntry] = field(default_factory=list)


def describing(
    came: Iterable[tuple[InstanceEntry, str]], place: Callable[[InstanceEntry], Place]
) -> dict[Place, Describing]:
    """Return the instances that describe each study or series, from entries with their standing."""
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
    """Return whether a new instance replaces the description of a study or series."""
    return not live_count and standing != "held"


def _rank(standing: str) -> int:
    return _RANKS.get(standing, len(_RANKS))


def complete_studies(
    transaction: Connection, met: Iterable[tuple[Mapping[str, Any], Describing]]
) -> tuple[list[Mapping[str, Any]], set[str]]:
    """Complete the rows of studies. Rows without gaps cost nothing.

    Returns the changed rows, and the Study Instance UIDs of studies that belong to another patient now.
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
    """Return the current rows, locked until the end of the transaction, because another writer may just have
    completed them."""
    if not dialects.has_several_writers(transaction):
        return met
    now = {row.id: row._asdict() for row in _by_key(transaction, [row["id"] for row, _ in met])}
    return [(now[row["id"]], offered) for row, offered in met]


# Other writers may still refer to the keys, so that they can add instances to the study meanwhile.
_by_key = statements.LookUp(select(study).order_by(study.c.id).with_for_update(key_share=True), study.c.id)


def _changed(row: Mapping[str, Any], offered: Describing) -> dict[str, Any] | None:
    """Return the completed row; None if it is unchanged."""
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
    """Return the kept DICOM JSON object, with values of the offered one for attributes that lack any."""
    attributes = {attribute_lines.tag(line): line for line in attribute_lines.split(kept)}
    for line in attribute_lines.split(offered):
        tag = attribute_lines.tag(line)
        if tag not in kept_out and '"Value":' in line and '"Value":' not in attributes.get(tag, ""):
            attributes[tag] = line
    return attribute_lines.join(attributes.values())
