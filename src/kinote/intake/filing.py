"""Files a group of arrivals: the one transaction in which received objects enter the index.

It decides for each arrival whether it is new, known or held. New objects get their rows, key objects their notes,
waiting references their images, studies their counts, and the change feed its entries. Files of objects that are
not kept are left to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.changes import Kind
from kinote.catalog.instances.entries import InsertedInstance, Placed, insert_entries
from kinote.catalog.instances.remembered import remembering
from kinote.catalog.schema.tables import instance
from kinote.catalog.sql import dialects
from kinote.catalog.sql.guards import hold
from kinote.intake import healing
from kinote.intake.arrival import Arrival
from kinote.intake.known import Known, as_known, is_about, known_instances, tombstone_of, tombstones
from kinote.intake.outcome import Outcome
from kinote.intake.proposing import PROPOSES, may_propose, proposing_copy
from kinote.intake.real_documents import in_place_of_derivable, why_held
from kinote.intake.rejecting import named_by_rejections, rejection_of
from kinote.intake.settling_jobs import COMPARE_HELD
from kinote.intake.verdict import why_held_uncompared, why_held_until_compared
from kinote.jobs.enqueueing import enqueue
from kinote.lifecycle import counts
from kinote.lifecycle.copies.decided import issued_elsewhere
from kinote.lifecycle.copies.patient_conflicts import record_conflicts
from kinote.lifecycle.copies.proposed_corrections import propose
from kinote.lifecycle.findings.differing import record_differences
from kinote.lifecycle.guards import CAN_GET_BYTES
from kinote.lifecycle.rejection import later_copies
from kinote.lifecycle.rejection.arriving import take_effect
from kinote.lifecycle.rejection.decisions import Fate, Held
from kinote.lifecycle.rejection.later_copies import InForce
from kinote.lifecycle.rejection.reconsidering import instances_came, patients_became_known
from kinote.lifecycle.rejection.rules import DEFAULT_RULES, RejectionRules
from kinote.lifecycle.standing import lock
from kinote.notes.belonging import patients_changed
from kinote.notes.registrar import register
from kinote.notes.registrar.arrival_locks import lock_instances
from kinote.notes.registrar.register import NextVersion


@dataclass(frozen=True, slots=True)
class Filed:
    """The outcome of one arrival, and whether its bytes belong, or may belong, to the index.

    `leaves_file` means that it replaces a file, which has to be set aside. `is_undecided` means that nothing was done:
    it has to be compared with the first copy under its UID, and filed again. `proposes` means that only its header is
    kept, as a proposed correction.
    """

    outcome: Outcome
    kept: bool
    leaves_file: bool = False
    is_undecided: bool = False
    proposes: bool = False


#: Takes store, key, offset of the data set and its size.
IsInPlace = Callable[[int, str, int, int], bool]


def _trusted(_store: int, _file_key: str, _dataset_offset: int, _size: int) -> bool:
    """Return True, for callers without a store."""
    return True


def file_arrivals(
    transaction: Connection,
    arrivals: Sequence[Arrival],
    now: datetime,
    is_in_place: IsInPlace = _trusted,
    rules: RejectionRules = DEFAULT_RULES,
) -> list[Filed]:
    """File a group, and return the outcomes in the order of the arrivals.

    `is_in_place` returns whether a stored file exists and has its size. `rules` says what rejection notes may do.
    """
    with remembering(transaction), changes.recorded_together(transaction):
        return _file(transaction, arrivals, now, is_in_place, rules)


def _file(
    transaction: Connection,
    arrivals: Sequence[Arrival],
    now: datetime,
    is_in_place: IsInPlace,
    rules: RejectionRules,
) -> list[Filed]:
    uids = {arrival.entry.sop_instance_uid for arrival in arrivals}
    rejected = named_by_rejections(arrivals)
    readings = [arrival.reading for arrival in arrivals if arrival.reading]
    lock_instances(transaction, uids, readings, also=rejected)
    named = later_copies.in_force(transaction, uids, rules)
    if (named or rejected) and dialects.has_several_writers(transaction):
        # Before anything is written, so that withdrawals lock in the same order.
        lock(transaction, rejected | named.keys())
        named = later_copies.in_force(transaction, uids, rules)
    known = known_instances(transaction, uids)
    undone = later_copies.undone(transaction, tombstones(known))
    filed: list[Filed] = []
    kept: list[tuple[Arrival, Placed]] = []
    restored: dict[str, list[InForce]] = {}
    proposing: list[Arrival] = []
    following: dict[str, NextVersion] = {}
    for arrival in arrivals:
        uid = arrival.entry.sop_instance_uid
        others = known.setdefault(uid, [])
        if any(other.has_the_file_of(arrival) and other.residence != "damaged" for other in others):
            # It was filed before, and its caller did not learn of that: the row is its own.
            filed.append(Filed(arrival.outcome("stored"), kept=True))
            continue
        those = named.get(uid, ())
        fate = _fate(others, those)
        if fate is Fate.REFUSED:
            filed.append(_refused_copy(arrival, those, rules))
            continue
        is_back = fate is Fate.RESTORED
        # Withdrawn from its arrival on; or live, where everything that withdrew the tombstone has been undone.
        replaces = is_back or later_copies.hides(those) or uid in undone
        left = tombstone_of(others) if replaces else None
        beside = _beside(others, left, is_back)
        without_bytes = _without_bytes(transaction, arrival, beside, is_in_place)
        if without_bytes is None:
            is_hidden = later_copies.hides(those) and not is_back
            real = in_place_of_derivable(transaction, arrival, beside)
            if real is not None and real.following is not None:
                following[uid] = real.following
                beside = [other for other in beside if not other.is_current]
            if real is not None and real.why_not:
                decision, standing = Filed(arrival.outcome("held", why_held(real)), kept=True), "held"
            else:
                decision, standing = _decide(arrival, beside, "withdrawn" if is_hidden else "live")
            if decision.outcome.kind == "held" and not decision.is_undecided:
                decision = _known_by_decision(transaction, arrival, decision)
                standing = "held" if decision.kept else ""
            if decision.is_undecided:
                filed.append(decision)
                continue
        known[uid] = others = beside
        if left is not None:
            _leave_behind(transaction, left)
        if is_back:
            # They are ended below.
            restored[uid] = named.pop(uid)
        if without_bytes is not None:
            filed.append(_healed(transaction, arrival, others, without_bytes, now))
            continue
        if is_back:
            decision = _is_back(arrival, decision)
        filed.append(decision)
        if decision.proposes:
            proposing.append(arrival)
        if decision.kept:
            placed = _placed(arrival, standing, decision.outcome.reason)
            kept.append((arrival, placed))
            others.append(as_known(arrival, placed.standing, is_current=placed.is_current))
    inserted = (
        insert_entries(transaction, [(arrival.entry, placed) for arrival, placed in kept]) if kept else []
    )
    if restored:
        later_copies.restore(transaction, restored, now=now)
    if kept:
        _follow_up(transaction, kept, inserted, named, following, rules, now)
    propose(transaction, [proposing_copy(transaction, each) for each in proposing], now=now)
    return filed


def _known_by_decision(transaction: Connection, arrival: Arrival, decision: Filed) -> Filed:
    """Return the outcome of a copy that would be held, if it needs no decision by a person.

    It has come before and is here under another UID by now; or it differs from a live instance in attributes of
    patient, study or order alone, and names no other patient.
    """
    entry = arrival.entry
    if (entry.sop_instance_uid, entry.digest.root) in issued_elsewhere(transaction, [entry.sop_instance_uid]):
        why = "The same data set is stored already; it was issued under another SOP Instance UID."
        return Filed(arrival.outcome("known", why), kept=False)
    verdict = arrival.verdict
    said = (entry.patient_id, entry.issuer_of_patient_id)
    if verdict is not None and verdict.proposes and may_propose(transaction, entry.sop_instance_uid, said):
        return Filed(arrival.outcome("known", PROPOSES), kept=False, proposes=True)
    return decision


def _fate(others: Sequence[Known], those: Sequence[InForce]) -> Fate:
    """Return what the withdrawals that name an arrival make of it, in view of what is here already."""
    current = next((other for other in others if other.is_current), None)
    held = Held(current.standing) if current and current.standing in set(Held) else Held.NOTHING
    return later_copies.fate(those, held)


def _refused_copy(arrival: Arrival, those: Sequence[InForce], rules: RejectionRules) -> Filed:
    sender = str(arrival.entry.instance_row["brought_by_name"])
    return Filed(arrival.refusal(rules.refusal_for(sender), later_copies.refusal(those)), kept=False)


#: The message to the sender of a copy that ends a withdrawal.
_IS_BACK = "The instance was out of use, and is in use again."


def _beside(others: Sequence[Known], left: Known | None, is_back: bool) -> list[Known]:
    """Return what an arrival lies beside: without the tombstone that it has `left` behind, and with the current
    instance live again if it `is_back`."""
    return [
        replace(other, standing="live") if is_back and other.is_current else other
        for other in others
        if other is not left
    ]


def _leave_behind(transaction: Connection, tombstone: Known) -> None:
    """Let the UID of a tombstone mean what arrives. The tombstone stays beside it."""
    transaction.execute(instance.update().where(instance.c.id == tombstone.id).values(is_current=False))


def _is_back(arrival: Arrival, decision: Filed) -> Filed:
    """Return the decision about a copy that ends a withdrawal, with the message about that."""
    if decision.outcome.kind == "held":
        return decision
    return replace(decision, outcome=arrival.outcome(decision.outcome.kind, _IS_BACK))


@dataclass(frozen=True, slots=True)
class _Beside:
    """The rule for an arrival whose UID already means an instance, by the standing of that instance."""

    #: Whether the same data set is answered with "known", because it needs no second copy.
    knows_its_like: bool
    #: Why an arrival is held that is not compared.
    held_because: str = ""


_BESIDE = {
    "live": _Beside(True),
    "withdrawn": _Beside(True),
    # A tombstone of which no withdrawal is known; otherwise its acts decide. Its bytes are gone, so that not even the
    # same data set is known.
    "purged": _Beside(
        False,
        "The instance with this SOP Instance UID was purged, and its UID does not come back by accident.",
    ),
}


def _without_bytes(
    transaction: Connection, arrival: Arrival, others: Sequence[Known], is_in_place: IsInPlace
) -> Known | None:
    """Return the same data set if it is here without its bytes. Then it is not *known*. A tombstone has no bytes.

    A held copy counts only beside a current instance. Otherwise the UID would mean nothing after it has been healed.
    """
    if not any(other.is_current for other in others):
        return None
    for other in others:
        if other.id is None or not hold(CAN_GET_BYTES, other) or not other.is_same_data_set(arrival):
            continue
        size = other.size or 0
        if other.residence == "local" and (
            is_in_place(other.store, other.file_key, other.dataset_offset, size)
            if other.file_key is not None
            else healing.is_in_index(transaction, other.id, size)
        ):
            continue
        return other
    return None


def _healed(
    transaction: Connection, arrival: Arrival, others: list[Known], healed: Known, now: datetime
) -> Filed:
    assert healed.id is not None
    left = None if healed.file_key is None else (healed.store, healed.file_key)
    if healed.has_the_file_of(arrival):
        # It is right again where it lies, in a folder that is read in place.
        left = None
    healing.heal(transaction, healed.id, left, arrival, now)
    others[others.index(healed)] = as_known(arrival, healed.standing, is_current=healed.is_current)
    return Filed(arrival.outcome("stored", healing.HEALED), kept=True, leaves_file=left is not None)


def _decide(arrival: Arrival, others: Sequence[Known], if_first: str) -> tuple[Filed, str]:
    """Decide about an arrival in view of others with the same UID, and return the standing it gets if it is kept.

    `if_first` is the standing of an instance whose UID means no other yet.
    """
    current = next((other for other in others if other.is_current), None)
    if current is None:
        return Filed(arrival.outcome("stored"), kept=True), if_first
    beside = _BESIDE[current.standing]
    alike = [other for other in others if other.is_same_data_set(arrival)]
    # A copy that is withdrawn beside the current one gave way to it by a decision.
    if any(
        other.standing == "held"
        or (other.standing == "withdrawn" and other is not current)
        or (other is current and beside.knows_its_like)
        for other in alike
    ):
        return Filed(arrival.outcome("known", "The same data set is stored already."), kept=False), ""
    if not beside.knows_its_like:
        return Filed(arrival.outcome("held", beside.held_because), kept=True), "held"
    verdict = arrival.verdict
    if verdict is None or not is_about(verdict, current):
        if arrival.comparisons_left:
            return Filed(arrival.outcome("held"), kept=False, is_undecided=True), ""
        why = why_held_until_compared if arrival.is_compared_later else why_held_uncompared
        return Filed(arrival.outcome("held", why(current.standing)), kept=True), "held"
    if verdict.is_same:
        return Filed(
            arrival.outcome("known", "The same content is stored already, in another encoding."), kept=False
        ), ""
    return Filed(arrival.outcome("held", verdict.why_held(current.standing)), kept=True), "held"


def _placed(arrival: Arrival, standing: str, reason: str) -> Placed:
    if arrival.file is not None and arrival.file.key is None:
        raise AssertionError("An object whose bytes are nowhere comes to be filed")
    return Placed(
        standing=standing,
        store=arrival.file.store if arrival.file else 1,
        file_key=arrival.file.key if arrival.file else None,
        dataset_offset=arrival.dataset_offset if arrival.file else 0,
        dataset=arrival.dataset,
        held_reason=reason if standing == "held" else None,
    )


def _follow_up(
    transaction: Connection,
    kept: Sequence[tuple[Arrival, Placed]],
    inserted: Sequence[InsertedInstance],
    named: Mapping[str, Sequence[InForce]],
    following: Mapping[str, NextVersion],
    rules: RejectionRules,
    now: datetime,
) -> None:
    deltas: dict[tuple[int, int], int] = {}
    happened = []
    key_objects = []
    rejections = []
    came = []
    told = set()
    held: dict[int, tuple[int, str, tuple[str, str]]] = {}
    for (arrival, placed), row in zip(kept, inserted, strict=True):
        entry = arrival.entry
        happened.append(
            changes.Change(
                kind=Kind.INSTANCE_HELD if placed.standing == "held" else Kind.INSTANCE_STORED,
                study_instance_uid=entry.study_instance_uid,
                sop_instance_uid=entry.sop_instance_uid,
            )
        )
        if placed.standing == "held":
            held[row.instance] = (
                row.study,
                entry.sop_instance_uid,
                (entry.patient_id, entry.issuer_of_patient_id),
            )
            if arrival.is_compared_later or (arrival.verdict is not None and arrival.verdict.is_open):
                _settle_later(transaction, row.instance, now)
            continue
        came.append((entry.sop_instance_uid, entry.study_instance_uid))
        if row.tells_patient:
            told.add(entry.study_instance_uid)
        if placed.standing == "live":
            place = (row.study, row.series)
            deltas[place] = deltas.get(place, 0) + 1
        if (rejection := rejection_of(arrival)) is not None:
            rejections.append(rejection)
        if arrival.reading is not None:
            key_objects.append(
                register.ReceivedKeyObject(
                    instance=row.instance,
                    study_instance_uid=entry.study_instance_uid,
                    sop_instance_uid=entry.sop_instance_uid,
                    reading=arrival.reading,
                )
            )
    counts.add(transaction, deltas)
    record_differences(transaction, ((row.instance, row.differences) for row in inserted if row.differences))
    record_conflicts(transaction, held)
    for each in key_objects:
        if each.sop_instance_uid in following:
            # It goes on with the note whose derivable document it has replaced.
            register.register(transaction, [each], now, following[each.sop_instance_uid])
    register.register(
        transaction, [each for each in key_objects if each.sop_instance_uid not in following], now
    )
    register.images_came(transaction, came, now)
    patients_changed(transaction, told)
    changes.record(transaction, happened, now=now)
    # Last, so that everything that came together is here: it acts as if it had come after what it names.
    instances_came(
        transaction, [uid for uid, _ in came if any(each.received for each in named.get(uid, ()))], now=now
    )
    patients_became_known(transaction, told, now=now)
    take_effect(transaction, rejections, rules, now=now)


def _settle_later(transaction: Connection, key: int, now: datetime) -> None:
    """Have a held copy compared in the background that was too large to be compared on arrival."""
    enqueue(
        transaction,
        COMPARE_HELD,
        {"held": key},
        clock=lambda: now,
        actor="kinote",
        natural_key=str(key),
    )
