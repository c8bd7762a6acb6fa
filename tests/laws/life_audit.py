"""What the rows, the bytes and the interfaces of a living product say, held against the laws.

Standing is worked out here once more, in Python and from the rows of withdrawals alone, and so is what may be purged.
What was promised to senders and people is kept beside (`Promises`), and what was seen once is compared with what is
seen later: a row keeps its bytes, a tombstone stays one, and nothing goes that nobody has decided about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text

from kinote.catalog.schema.live import live_instance
from kinote.holdings.law_check import check_after
from kinote.jobs.states import ENDED, TIMED, State
from kinote.keyobject import writer
from kinote.lifecycle import counts
from kinote.lifecycle.acts import stored_act
from kinote.notes import belonging
from kinote.notes.creator.create import document_of
from kinote.storage.digests import digest_of
from tests.laws.arrivals import STUDIES
from tests.laws.audit import WAYS_OUT_OF_A_STUDY
from tests.laws.living_product import PURGE_AFTER, LivingProduct

_INSTANCES = text(
    "SELECT i.id, i.sop_instance_uid AS uid, i.standing, i.residence, i.is_current, i.store, i.file_key, i.digest, "
    "i.digest_algorithm, i.size, i.received_at, t.study_instance_uid AS study, b.instance AS has_bytes, "
    "p.purged_at, k.made_from, k.version FROM instance i JOIN study t ON t.id = i.study "
    "LEFT JOIN instance_bytes b ON b.instance = i.id LEFT JOIN purge p ON p.instance = i.id "
    "LEFT JOIN key_object k ON k.instance = i.id"
)
_TARGETS = text(
    "SELECT w.id, w.act, w.effect, w.undone_at, w.closed_at, w.closes_at, w.made_at, w.received, w.reason_value, "
    "w.rejection_note_uid, t.sop_instance_uid AS uid, t.instance, t.spared "
    "FROM withdrawal w JOIN withdrawal_target t ON t.withdrawal = w.id"
)
_NOTES = text("SELECT withdrawal, study_instance_uid AS study, sop_instance_uid AS uid FROM rejection_note")
_DELIVERIES = text("SELECT sop_instance_uid AS uid, peer, address, state, given_at FROM delivery")
_OWED = text("SELECT store, key FROM owed_removal")
_JOBS = text("SELECT * FROM job")


@dataclass(slots=True)
class Rows:
    """What the index says at one moment."""

    instances: dict[int, Any]
    targets: list[Any]
    notes: list[Any]
    deliveries: list[Any]
    owed: set[tuple[int, str]]
    jobs: list[Any]
    live: list[str]

    @property
    def standings(self) -> dict[int, str]:
        return {key: row.standing for key, row in self.instances.items()}

    def current(self, uid: str) -> Any:
        return next((row for row in self.instances.values() if row.uid == uid and row.is_current), None)

    def live_in(self, study: str) -> list[str]:
        return sorted(
            row.uid for row in self.instances.values() if row.study == study and row.standing == "live"
        )

    def in_force(self, row: Any) -> list[Any]:
        """The withdrawals that take an instance out of use."""
        return [
            each
            for each in self.targets
            if each.uid == row.uid
            and each.undone_at is None
            and each.effect == "hidden"
            and not each.spared
            and each.instance in (None, row.id)
        ]


def read(product: LivingProduct) -> Rows:
    with product.catalog.read() as connection:
        return Rows(
            {row.id: row for row in connection.execute(_INSTANCES)},
            list(connection.execute(_TARGETS)),
            list(connection.execute(_NOTES)),
            list(connection.execute(_DELIVERIES)),
            {(row.store, row.key) for row in connection.execute(_OWED)},
            list(connection.execute(_JOBS)),
            sorted(row.sop_instance_uid for row in connection.execute(live_instance.select())),
        )


@dataclass(slots=True)
class Promises:
    """What was acknowledged: data sets by their UIDs, and what each row was when it was last looked at."""

    data_sets: set[tuple[str, bytes]] = field(default_factory=set)
    seen: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    #: The bytes that documents made here had before they were only to be made.
    made: dict[str, str] = field(default_factory=dict)
    #: Held copies that a person has discarded.
    discarded: set[int] = field(default_factory=set)
    #: Studies that a hold keeps.
    on_hold: set[str] = field(default_factory=set)


def hold_rows(product: LivingProduct, promises: Promises, before: Rows | None = None) -> Rows:
    """Look at all rows. This is done after every step, `before` which they were as given."""
    rows = read(product)
    with product.catalog.read() as connection:
        assert counts.differences(connection) == []
        if before is None or (before.instances, before.targets) != (rows.instances, rows.targets):
            assert belonging.differences(connection) == []
    _hold_law_1(rows)
    _hold_law_3(rows)
    _hold_law_4(rows)
    _hold_law_7(rows, promises)
    _hold_law_8(rows)
    _hold_law_11(rows)
    return rows


def _hold_law_1(rows: Rows) -> None:
    """Live is what is current and has this standing, and nothing else decides."""
    assert rows.live == sorted(
        row.uid for row in rows.instances.values() if row.standing == "live" and row.is_current
    )
    assert not [row for row in rows.instances.values() if row.standing == "live" and not row.is_current]


def _hold_law_3(rows: Rows) -> None:
    """Each job is in one state with its facts; one that is dead says why."""
    for row in rows.jobs:
        state = State(row.state)
        assert (row.until_at is not None) == (state in TIMED), row
        assert (row.ended_at is not None) == (state in ENDED), row
        assert (row.worker is not None) == (state is State.LEASED), row
        assert state is not State.DEAD or row.reason, row


def _hold_law_4(rows: Rows) -> None:
    """Standing is the result of the withdrawals; nobody is told before the window has closed, and all are then."""
    for row in rows.instances.values():
        if row.is_current and row.standing in ("live", "withdrawn"):
            assert row.standing == ("withdrawn" if rows.in_force(row) else "live"), row
    by_withdrawal = {each.id: each for each in rows.targets}
    for note in rows.notes:
        withdrawal = by_withdrawal[note.withdrawal]
        row = rows.current(note.uid)
        if withdrawal.closed_at is None:
            assert row is None, "told before its time"
            assert withdrawal.undone_at is None, "an undone withdrawal still has its note"
        else:
            assert row is not None, "a note was never made live"
            assert withdrawal.undone_at is None or row.standing != "live", "a note outlives its withdrawal"
    _hold_owed(rows)


def _hold_owed(rows: Rows) -> None:
    """Whoever was given what is withdrawn here is owed its rejection note, or has it."""
    notes = {(each.withdrawal, each.study): each.uid for each in rows.notes}
    has = {(each.uid, each.peer, each.address) for each in rows.deliveries}
    for given in rows.deliveries:
        row = rows.current(given.uid)
        if row is None or given.given_at is None:
            continue
        for each in rows.in_force(row):
            note = notes.get((each.id, row.study))
            if note is not None and each.instance is None:
                assert (note, given.peer, given.address) in has, f"{given.uid}: its receiver is not told"


def _hold_law_7(rows: Rows, promises: Promises) -> None:
    """What was acknowledged has its row, a row its bytes; a tombstone stays; only what was discarded goes."""
    digests = {(row.uid, row.digest_algorithm, row.digest) for row in rows.instances.values()}
    algorithms = {row.digest_algorithm for row in rows.instances.values() if row.digest}
    for uid, dataset in promises.data_sets:
        assert any((uid, each, digest_in(dataset, each)) in digests for each in algorithms), f"{uid} is lost"
    for key, (standing, digest) in promises.seen.items():
        row = rows.instances.get(key)
        if row is None:
            assert standing == "held", f"row {key} is gone"
            assert key in promises.discarded, f"held copy {key} is gone, and nobody has decided that"
            continue
        assert standing != "purged" or row.standing == "purged", f"row {key} has come back"
        assert standing != "live" or row.standing != "purged", f"row {key} was live, and is purged"
        if digest is not None and row.digest is not None:
            assert row.digest == digest, f"row {key} is another object"
        if row.digest is not None and row.uid in promises.made:
            assert row.digest == promises.made[row.uid], f"{row.uid} was made otherwise"
    promises.seen = {key: (row.standing, row.digest) for key, row in rows.instances.items()}


_digests: dict[tuple[bytes, str], str] = {}


def digest_in(dataset: bytes, algorithm: str) -> str:
    key = (dataset, algorithm)
    if key not in _digests:
        _digests[key] = digest_of(dataset, algorithm).root
    return _digests[key]


def _hold_law_8(rows: Rows) -> None:
    """Each row says where its bytes are, as its residence has it; a tombstone has none."""
    for row in rows.instances.values():
        has_bytes = bool(row.file_key) + bool(row.has_bytes)
        assert (row.standing == "purged") == (row.residence == "none"), row
        assert has_bytes == (1 if row.residence == "local" else 0), row
        assert row.residence in ("local", "none", "derivable", "remote"), row
        assert row.residence != "derivable" or row.made_from, row
        assert row.standing != "purged" or row.purged_at, row
    owned = {(row.store, row.file_key) for row in rows.instances.values() if row.file_key}
    assert not owned & rows.owed, "bytes are to be removed that a row has"


def _hold_law_11(rows: Rows) -> None:
    """A version of a note has one document in each study."""
    documents = Counter((row.version, row.study) for row in rows.instances.values() if row.made_from)
    assert all(number == 1 for number in documents.values()), documents


def may_be_purged(rows: Rows, now: datetime, on_hold: Collection[str] = ()) -> set[int]:
    """The instances all of whose withdrawals in force have lasted for their time, and that no hold keeps."""
    due = set()
    for key, row in rows.instances.items():
        those = rows.in_force(row)
        if row.standing != "withdrawn" or not those or row.study in on_hold:
            continue
        arrived = datetime.fromisoformat(row.received_at)
        if all(
            each.closed_at is not None
            and stored_act(each.act) is not None
            and not (each.received and each.rejection_note_uid == row.uid)
            and max(arrived, datetime.fromisoformat(each.made_at)) + PURGE_AFTER <= now
            for each in those
        ):
            due.add(key)
    return due


def hold_study(
    product: LivingProduct, rows: Rows, study: str, ways: Collection[str] = WAYS_OUT_OF_A_STUDY
) -> None:
    """These ways out of a study show all of it that is live, and nothing else (law 1)."""
    ought = rows.live_in(study)
    for name in ways:
        assert WAYS_OUT_OF_A_STUDY[name](product, study) == ought, f"{name} of study {study}"


def hold_everything(product: LivingProduct, rows: Rows) -> None:
    """The whole audit: every way out, all bytes, every document made again, and what the product's own look says."""
    for study in STUDIES:
        hold_study(product, rows, study)
    # Some ways out read bytes, and so recall what was evicted.
    rows = read(product)
    there = product.stored_bytes(all_have=False)
    for row in rows.instances.values():
        if row.residence != "local":
            continue
        found = there[row.id]
        assert (digest_in(found, row.digest_algorithm), len(found)) == (row.digest, row.size)
        if row.made_from:
            with product.catalog.read() as connection:
                assert writer.encode(document_of(connection, row.uid)) == found, f"{row.uid} (law 11)"
    lying = {(row.store, row.file_key) for row in rows.instances.values() if row.file_key}
    places = product.places()
    assert lying <= places, "a row has no bytes"
    left = places - lying - rows.owed
    assert not left, f"bytes have no row: {left}"
    _, breaches, _ = check_after(product.catalog, product.stores, 0, lambda store: True)
    assert breaches == []
