"""Looks again at withdrawals by received rejection notes when an instance has come or a patient has become known.

The result depends on what is here and not on the order in which it came: a rejection note has no effect on instances
of another patient, and it has one as soon as they turn out to belong to the same. A rejection note that says that time
has ended has none on what is kept by a hold that was placed before it came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, text

from kinote.catalog import journal
from kinote.catalog.schema.tables import instance, study, withdrawal, withdrawal_target
from kinote.catalog.schema.tables.withdrawals import HAS_NOTE
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.lifecycle.acts import RETENTION_EXPIRED
from kinote.lifecycle.holds.membership import uids_on_hold
from kinote.lifecycle.owed.received_notes import owe_received_notes, take_back_received
from kinote.lifecycle.rejection.decisions import spared
from kinote.lifecycle.rejection.note_findings import write_findings
from kinote.lifecycle.rejection.patients import locked_places
from kinote.lifecycle.rejection.rules import Spared
from kinote.lifecycle.standing import settle
from kinote.security.actors import KINOTE


def instances_came(transaction: Connection, sop_instance_uids: Collection[str], *, now: datetime) -> None:
    """Look again at the withdrawals that name instances which have arrived."""
    if sop_instance_uids:
        _look_again(transaction, _of_instances(transaction, sorted(sop_instance_uids)), now)


def patients_became_known(transaction: Connection, study_uids: Collection[str], *, now: datetime) -> None:
    """Look again at the withdrawals that name instances of these studies, and at those by notes of these studies."""
    if not study_uids:
        return
    rows = {
        (row.withdrawal, row.sop_instance_uid): row
        for query in (_of_studies, _by_notes_of_studies)
        for row in query(transaction, sorted(study_uids))
    }
    _look_again(transaction, rows.values(), now)


def _look_again(transaction: Connection, rows: Iterable[Any], now: datetime) -> None:
    """Set for each of these targets whether it is spared, and settle those that change."""
    rows = [row for row in rows if row.sop_instance_uid != row.rejection_note_uid]
    if not rows:
        return
    uids = {row.sop_instance_uid for row in rows} | {row.rejection_note_uid for row in rows}
    here = locked_places(transaction, uids)
    on_hold = _on_hold(transaction, rows, now)
    changed = []
    remarkable = set()
    for row in rows:
        place, whose = here.get(row.sop_instance_uid), here.get(row.rejection_note_uid)
        if place is None or whose is None:
            continue
        if place.is_rejection_note:
            remarkable.add(row.rejection_note_uid)
        why = str(
            spared(
                is_of_another_patient=place.is_of_another_patient(whose),
                # Such a target is not looked at again.
                is_disputed=False,
                is_on_hold=(row.withdrawal, row.sop_instance_uid) in on_hold,
            )
            or ""
        )
        if why != row.spared:
            changed.append({"of": row.withdrawal, "uid": row.sop_instance_uid, "why": why})
            remarkable.add(row.rejection_note_uid)
    changed.sort(key=lambda each: (each["uid"], each["of"]))
    _set_spared(transaction, [{**each, "since": timestamp(now) if each["why"] else None} for each in changed])
    _record(transaction, changed, now)
    settle(transaction, sorted({each["uid"] for each in changed}), now=now)
    owe_received_notes(transaction, {each["of"] for each in changed if not each["why"]}, now=now)
    for key in sorted({each["of"] for each in changed if each["why"]}):
        take_back_received(transaction, key, now=now)
    write_findings(transaction, sorted(remarkable))


def _on_hold(connection: Connection, rows: Iterable[Any], now: datetime) -> set[tuple[int, str]]:
    """Return which withdrawals and UIDs among these are spared by a hold."""
    found: set[tuple[int, str]] = set()
    named: dict[tuple[int, str], list[str]] = {}
    for row in rows:
        if row.act == RETENTION_EXPIRED.name:
            named.setdefault((row.withdrawal, row.made_at), []).append(row.sop_instance_uid)
    for (of, made_at), uids in named.items():
        found |= {(of, uid) for uid in uids_on_hold(connection, uids, now, before=made_at)}
    return found


def _record(transaction: Connection, changed: Iterable[Mapping[str, Any]], now: datetime) -> None:
    named: dict[tuple[int, str], list[str]] = {}
    for each in changed:
        named.setdefault((each["of"], each["why"]), []).append(each["uid"])
    for (of, why), uids in sorted(named.items()):
        kind = journal.Kind.SPARED if why else journal.Kind.NO_LONGER_SPARED
        because = {"because": why or str(Spared.ANOTHER_PATIENT)}
        journal.record(transaction, journal.RareAct(kind, now, KINOTE, uids, of, because))


_targets = (
    select(
        withdrawal_target.c.withdrawal,
        withdrawal_target.c.sop_instance_uid,
        withdrawal_target.c.spared,
        withdrawal.c.rejection_note_uid,
        withdrawal.c.act,
        withdrawal.c.made_at,
    )
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(
        withdrawal.c.received,
        withdrawal.c.undone_at.is_(None),
        or_(withdrawal_target.c.spared == "", withdrawal_target.c.spared == str(Spared.ANOTHER_PATIENT)),
    )
)

_of_instances = statements.LookUp(_targets, withdrawal_target.c.sop_instance_uid)

_there = instance.alias("there")
_its_study = study.alias("its_study")

_of_studies = statements.LookUp(
    _targets.join(_there, _there.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid)
    .join(_its_study, _its_study.c.id == _there.c.study)
    .where(_there.c.is_current),
    _its_study.c.study_instance_uid,
)

_by_notes_of_studies = statements.LookUp(
    _targets.join(_there, _there.c.sop_instance_uid == withdrawal.c.rejection_note_uid)
    .join(_its_study, _its_study.c.id == _there.c.study)
    # Repeats the WHERE clause of the index, which is not used without it.
    .where(_there.c.is_current, text(HAS_NOTE)),
    _its_study.c.study_instance_uid,
)

_set_spared = statements.ForEach(
    withdrawal_target.update()
    .where(
        withdrawal_target.c.withdrawal == bindparam("of"),
        withdrawal_target.c.sop_instance_uid == bindparam("uid"),
    )
    .values(spared=bindparam("why"), spared_at=bindparam("since"))
)
