"""Explains why an instance is or is not visible, with everything relevant in the index."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, or_, select

from kinote.catalog.known_systems.told_availability_rows import ToldBy, told_about_instance
from kinote.catalog.schema.tables import (
    finding,
    instance,
    key_object,
    purge,
    series,
    study,
    withdrawal,
    withdrawal_target,
)
from kinote.keyobject.findings import Finding
from kinote.lifecycle.acts import stored_act
from kinote.lifecycle.archives.evidence import kept_at
from kinote.lifecycle.copies import decided
from kinote.lifecycle.rejection.sentences import sentence
from kinote.security.actors import Actor
from kinote.security.origins import shown_origin


@dataclass(frozen=True, slots=True)
class ExplainedWithdrawal:
    """A withdrawal that names the instance. `act` is the name of one of `acts.ACTS`, or a text of a later version.

    `by` and `undone_by` are None if it is not known who it was.
    """

    act: str
    reason: str
    text: str
    by: Actor | None
    made_at: str
    undone_at: str | None
    undone_by: Actor | None
    rejection_note_uid: str
    #: What it does to the instance, and why it has no effect on it, if it has none (`kinote.lifecycle.rejection`).
    effect: str = "hidden"
    received: bool = False
    spared: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One stored copy of an instance, explained. `sentences` say it in words, the most important first."""

    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    standing: str
    residence: str
    visible: bool
    received_at: str
    received_from: str
    brought_by: Actor | None
    registration: str | None
    findings: tuple[Finding, ...]
    withdrawals: tuple[ExplainedWithdrawal, ...]
    sentences: tuple[str, ...]


_BECAUSE = {
    "live": "It is live: the viewer, queries, retrieval and every way out have it.",
    "held": "It is held: another instance with the same UID came first, and an administrator is to decide.",
    "withdrawn": "It is withdrawn from operational use: nothing shows, counts or sends it.",
    "purged": "It is purged: its bytes are gone, and its UID is kept from coming back by accident.",
}

_BYTES = {
    "local": "Its bytes are here.",
    "derivable": "Its bytes are made at the first need, from what its note version has fixed.",
    "remote": "Its bytes are at another system that has committed to them.",
    "damaged": "Its bytes are damaged: what is stored is not what was received, and is not sent. Send the same object "
    "to Kinote again, which heals it.",
    "none": "Its bytes are gone.",
}


def explain(connection: Connection, sop_instance_uid: str) -> list[Explanation]:
    """Explain an instance: its current row first, then other copies. Empty if Kinote has never had it."""
    query = (
        select(
            instance.c.id,
            instance.c.standing,
            instance.c.is_current,
            instance.c.residence,
            instance.c.received_at,
            instance.c.received_from,
            instance.c.brought_by_kind,
            instance.c.brought_by_name,
            instance.c.brought_by_address,
            instance.c.held_reason,
            study.c.study_instance_uid,
            series.c.series_instance_uid,
            key_object.c.registration,
        )
        .join(study, study.c.id == instance.c.study)
        .join(series, series.c.id == instance.c.series)
        .outerjoin(key_object, key_object.c.instance == instance.c.id)
        # One query each, so that each uses its own index.
        .where(
            or_(
                and_(instance.c.sop_instance_uid == sop_instance_uid, instance.c.is_current),
                and_(instance.c.sop_instance_uid == sop_instance_uid, ~instance.c.is_current),
            )
        )
        .order_by(~instance.c.is_current, instance.c.id)
    )
    withdrawals = _withdrawals(connection, sop_instance_uid)
    decisions = decided.decisions_about(connection, sop_instance_uid)
    told = [_told(each) for each in told_about_instance(connection, sop_instance_uid)]
    explained = []
    for row in connection.execute(query).all():
        named_by = tuple(
            said for copy, said in withdrawals if copy == row.id or (copy is None and row.is_current)
        )
        sentences = [_BECAUSE[row.standing]]
        if row.held_reason:
            sentences.append(row.held_reason)
        sentences += [sentence(item) for item in named_by]
        sentences += _purge(connection, row.id)
        sentences += [
            decided.sentence(each)
            for each in decisions
            if row.id in (each.became.instance, each.became.first) or row.is_current
        ]
        sentences.append(_BYTES[row.residence])
        sentences += kept_at(connection, row.id)
        if row.is_current:
            sentences += told
        if row.registration == "unreadable":
            sentences.append("It is a key object that could not be understood: it flags nothing.")
        explained.append(
            Explanation(
                sop_instance_uid=sop_instance_uid,
                study_instance_uid=row.study_instance_uid,
                series_instance_uid=row.series_instance_uid,
                standing=row.standing,
                residence=row.residence,
                visible=row.standing == "live" and row.is_current,
                received_at=row.received_at,
                received_from=shown_origin(row.received_from, row.brought_by_name, row.brought_by_address),
                brought_by=Actor.stored(row.brought_by_kind, row.brought_by_name, row.brought_by_address),
                registration=row.registration,
                findings=_findings(connection, row.id),
                withdrawals=named_by,
                sentences=tuple(sentences),
            )
        )
    return explained


def _told(said: ToldBy) -> str:
    """Return what a peer says of the instance (PS3.4 Annex R)."""
    where = f", to be retrieved from {said.told.retrieve_ae_title}" if said.told.retrieve_ae_title else ""
    return f"The peer {said.peer} said at {said.told_at} that it is {said.told.availability} there{where}."


def _purge(connection: Connection, key: int) -> list[str]:
    """Return what the reaper has done, or could not do."""
    row = connection.execute(select(purge).where(purge.c.instance == key)).one_or_none()
    if row is None:
        return []
    if not row.purged_at:
        return [f"It could not be purged, {row.attempts} times: {row.reason}"]
    if row.removed_at:
        return [f"It was purged at {row.purged_at}, and its bytes were removed at {row.removed_at}."]
    return [f"It was purged at {row.purged_at}. Its bytes are still to be removed."]


def _withdrawals(
    connection: Connection, sop_instance_uid: str
) -> list[tuple[int | None, ExplainedWithdrawal]]:
    """Return the withdrawals that name the UID, each with the key of the only copy that it means, or None."""
    query = (
        select(withdrawal, withdrawal_target.c.instance, withdrawal_target.c.spared)
        .join(withdrawal_target, withdrawal_target.c.withdrawal == withdrawal.c.id)
        .where(withdrawal_target.c.sop_instance_uid == sop_instance_uid)
        .order_by(withdrawal.c.id)
    )
    return [
        (
            row.instance,
            ExplainedWithdrawal(
                act=str(stored_act(row.act) or row.act),
                reason=row.reason_meaning,
                text=row.reason_text,
                by=Actor.stored(row.who_kind, row.who, row.who_address),
                made_at=row.made_at,
                undone_at=row.undone_at,
                undone_by=Actor.stored(row.undone_by_kind, row.undone_by, row.undone_by_address),
                rejection_note_uid=row.rejection_note_uid,
                effect=row.effect,
                received=bool(row.received),
                spared=row.spared,
            ),
        )
        for row in connection.execute(query)
    ]


def _findings(connection: Connection, instance_key: int) -> tuple[Finding, ...]:
    query = select(finding).where(finding.c.instance == instance_key).order_by(finding.c.id)
    return tuple(
        Finding(code=row.code, severity=row.severity, place=row.place, text=row.text)
        for row in connection.execute(query)
    )
