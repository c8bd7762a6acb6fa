"""Key objects of migrated notes that wait: for their study, or for what they refer to.

Waiting is no job (law 3): it is a row, which is looked up when something arrives, in the same transaction. A version
that has one key object already is not changed any more, since the bytes of that one depend on it (law 11).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.instances.uid_locks import ONE_BY_ONE
from kinote.catalog.schema.tables import (
    awaited_key_object,
    instance,
    key_object,
    migrated_note,
    note_version,
    series,
    study,
)
from kinote.catalog.sql import dialects, statements
from kinote.dicom.values import uids
from kinote.lifecycle.standing import resulting_standings
from kinote.notes.content import NoteContent
from kinote.notes.creator.context import KeyObjectIdentity


def studies_of(content: NoteContent) -> list[str]:
    """Return the studies that the references of a note name, each once, in their order."""
    return list(dict.fromkeys(reference.study_instance_uid for reference in content.references))


def instances_named(contents: Iterable[NoteContent]) -> set[str]:
    """Return the UIDs of all flagged instances and presentation states."""
    named = set()
    for content in contents:
        for reference in content.references:
            named.add(reference.sop_instance_uid)
            if reference.presentation_state_uid:
                named.add(reference.presentation_state_uid)
    return named


def studies_here(transaction: Connection, study_uids: Collection[str]) -> set[str]:
    """Return those studies of which something is live."""
    return {row.study_instance_uid for row in _live_studies(transaction, study_uids) if row.instance_count}


def insert_awaited(
    transaction: Connection, version: int, identities: Iterable[KeyObjectIdentity], refused: str = ""
) -> None:
    """Let the key objects of a version wait."""
    insert_awaited_rows(transaction, awaited_rows(version, identities, refused))


def awaited_rows(
    version: int, identities: Iterable[KeyObjectIdentity], refused: str = ""
) -> list[dict[str, object]]:
    """Return the rows of key objects that wait; `refused` says why they must not be made."""
    return [
        {
            "version": version,
            "study_instance_uid": identity.study_instance_uid,
            "sop_instance_uid": identity.sop_instance_uid,
            "series_instance_uid": identity.series_instance_uid,
            "refused": refused,
        }
        for identity in identities
    ]


def insert_awaited_rows(transaction: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows of key objects that wait."""
    statements.insert_rows(transaction, awaited_key_object, rows)


def in_studies(
    study_uids: Iterable[str], awaited: Sequence[KeyObjectIdentity] = ()
) -> tuple[KeyObjectIdentity, ...]:
    """Return the UIDs of the key objects of a note in its studies, those `awaited` if there are.

    One that was awaited in a study to which none of the images belongs, as it turned out, is made in another.
    """
    wanted = list(study_uids)
    by_study = {each.study_instance_uid: each for each in awaited}
    left = [each for each in awaited if each.study_instance_uid not in wanted]
    found = []
    for uid in wanted:
        each = by_study.get(uid) or (left.pop(0) if left else None)
        found.append(
            KeyObjectIdentity(uid, each.series_instance_uid, each.sop_instance_uid)
            if each
            else KeyObjectIdentity(uid, uids.new_uid(), uids.new_uid())
        )
    return tuple(found)


def remove_of_studies(transaction: Connection, version: int, studies: Iterable[str]) -> None:
    """Let key objects of a version wait no more in these studies."""
    _remove_of_study(transaction, [{"of": version, "place": uid} for uid in studies])


def wait_under_another_uid(transaction: Connection, rows: Iterable[Any]) -> None:
    """Give key objects that wait another UID, since theirs means something else here."""
    _set_uid(
        transaction,
        [
            {
                "of": row.version,
                "place": row.study_instance_uid,
                "series_uid": uids.new_uid(),
                "sop_uid": uids.new_uid(),
            }
            for row in rows
        ],
    )


def are_duplicates(transaction: Connection, existing: Mapping[int, int]) -> None:
    """Let migrated notes, by version, be duplicates of notes that are here; their key objects wait no more."""
    notes = {row.version: row.note for row in about(transaction, list(existing))}
    remove_awaited(transaction, sorted(existing))
    _is_duplicate(
        transaction,
        [{"of": notes[key], "existing": number} for key, number in existing.items() if key in notes],
    )


def lock_versions(transaction: Connection, versions: Sequence[int]) -> None:
    """Let one writer at a time make the key objects of a version. What is read after this is still so at the end."""
    if len(versions) > ONE_BY_ONE:
        dialects.lock_names(transaction, [_ANY_VERSION])
        return
    dialects.lock_names(transaction, [_ANY_VERSION], shared=True)
    dialects.lock_names(transaction, [f"{_ANY_VERSION} {key}" for key in versions])


_ANY_VERSION = "key objects of version"


def unrefuse(transaction: Connection, versions: Sequence[int]) -> None:
    """Let key objects be looked at again that must not be made, as it seemed."""
    refuse(transaction, versions, {"reason": ""})


def awaited_uids(transaction: Connection, version: int) -> dict[str, str]:
    """Return the UIDs of the key objects of a version that wait and are not withdrawn, with their studies."""
    rows = {row.sop_instance_uid: row.study_instance_uid for row in of_version(transaction, [version])}
    withdrawn = withdrawn_uids(transaction, list(rows))
    return {uid: study_uid for uid, study_uid in rows.items() if uid not in withdrawn}


def withdrawn_uids(transaction: Connection, sop_instance_uids: Sequence[str]) -> set[str]:
    """Return those UIDs that withdrawals name: a note was withdrawn before its key object could be made."""
    standings = resulting_standings(transaction, list(enumerate(sop_instance_uids)))
    return {sop_instance_uids[key] for key, standing in standings.items() if standing == "withdrawn"}


def identities_of(rows: Iterable[Any]) -> dict[int, tuple[KeyObjectIdentity, ...]]:
    """Return the UIDs of key objects by version, from rows of them."""
    found: dict[int, list[KeyObjectIdentity]] = {}
    for row in rows:
        found.setdefault(row.version, []).append(
            KeyObjectIdentity(row.study_instance_uid, row.series_instance_uid, row.sop_instance_uid)
        )
    return {key: tuple(each) for key, each in found.items()}


#: Those that wait in studies, of all versions.
in_study = statements.LookUp(select(awaited_key_object), awaited_key_object.c.study_instance_uid)

#: Those of versions.
of_version = statements.LookUp(
    select(awaited_key_object).order_by(
        awaited_key_object.c.version, awaited_key_object.c.study_instance_uid
    ),
    awaited_key_object.c.version,
)

_live_studies = statements.LookUp(
    select(study.c.study_instance_uid, study.c.instance_count), study.c.study_instance_uid
)

#: The notes of versions, and the patients that their source names.
about = statements.LookUp(
    select(
        note_version.c.id.label("version"),
        note_version.c.note,
        migrated_note.c.patient_id,
        migrated_note.c.issuer_of_patient_id,
    )
    .join(migrated_note, migrated_note.c.note == note_version.c.note)
    .where(migrated_note.c.migrated_as == "note"),
    note_version.c.id,
)

#: The UIDs of key objects of versions that were made.
made_of = statements.LookUp(
    select(
        key_object.c.version,
        study.c.study_instance_uid,
        series.c.series_instance_uid,
        instance.c.sop_instance_uid,
    )
    .join(instance, instance.c.id == key_object.c.instance)
    .join(series, series.c.id == instance.c.series)
    .join(study, study.c.id == instance.c.study)
    .order_by(key_object.c.version, key_object.c.instance),
    key_object.c.version,
)

remove_awaited = statements.ChangeAmong(awaited_key_object.delete(), awaited_key_object.c.version)

refuse = statements.ChangeAmong(
    awaited_key_object.update().values(refused=bindparam("reason")), awaited_key_object.c.version
)

#: The versions that wait with key objects under these UIDs.
awaited_under = statements.LookUp(
    select(awaited_key_object.c.sop_instance_uid, awaited_key_object.c.version),
    awaited_key_object.c.sop_instance_uid,
)

_is_duplicate = statements.ForEach(
    migrated_note.update()
    .where(migrated_note.c.note == bindparam("of"))
    .values(migrated_as="duplicate", note=bindparam("existing"))
)

_remove_of_study = statements.ForEach(
    awaited_key_object.delete().where(
        awaited_key_object.c.version == bindparam("of"),
        awaited_key_object.c.study_instance_uid == bindparam("place"),
    )
)

_set_uid = statements.ForEach(
    awaited_key_object.update()
    .where(
        awaited_key_object.c.version == bindparam("of"),
        awaited_key_object.c.study_instance_uid == bindparam("place"),
    )
    .values(sop_instance_uid=bindparam("sop_uid"), series_instance_uid=bindparam("series_uid"))
)
