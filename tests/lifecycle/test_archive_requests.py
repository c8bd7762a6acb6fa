"""Requests to archives for storage commitment: each event in each state, and what becomes evidence (law 9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import commitment_asked, instance, location
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.archives import taking_results
from kinote.lifecycle.archives.asking import (
    Request,
    happen,
    is_anything_overdue,
    make_request,
    page_of_requests,
    time_up,
)
from kinote.lifecycle.archives.evidence import Archive, Proof
from kinote.lifecycle.archives.promises import (
    ArchiveNotFoundError,
    acknowledged,
    archive_of,
    counts,
    end_archive,
    prove,
    resume,
    set_archive,
)
from kinote.lifecycle.archives.request_states import TRANSITIONS, Event, State
from kinote.lifecycle.archives.taking_results import Taken, Taking, take_result
from kinote.peers.archive_policy import ArchivePolicy, CommitmentBy
from kinote.peers.refusals import PeerNotFoundError, PeerVersionError, RefusedPeerError
from tests.actors import ROE
from tests.lifecycle.rejected import image, receive
from tests.notes.sample_studies import IMAGE, IMAGE_2, IMAGE_3, NOW, later
from tests.peers.wanted import added
from tests.peers.wanted import archive as archive_peer

CT = "1.2.840.10008.5.1.4.1.1.2"
IMAGES = (IMAGE, IMAGE_2, IMAGE_3)


class Kept:
    """An archive that has acknowledged three images."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        receive(catalog, *(image(uid) for uid in IMAGES))
        self.archive = added(catalog, archive_peer()).id
        catalog.write(
            lambda tx: set_archive(tx, self.archive, ArchivePolicy(), NOW, expected_version=None, by=ROE)
        )
        self.acknowledge()

    def acknowledge(self, seconds: int = 0) -> int:
        rows = self.rows()
        return self.catalog.write(
            lambda tx: acknowledged(
                tx, self.archive, [(row.id, row.digest) for row in rows], later(NOW, seconds)
            )
        )

    def rows(self) -> list[Any]:
        with self.catalog.read() as connection:
            query = select(instance.c.id, instance.c.digest, instance.c.sop_instance_uid)
            return list(connection.execute(query.order_by(instance.c.id)))

    def request(self, seconds: int = 0, *, renew: bool = False) -> Request | None:
        def work(transaction: Connection) -> Request | None:
            now = later(NOW, seconds)
            return make_request(
                transaction,
                self.archive,
                now=now,
                timeout=timedelta(hours=1),
                renew_before=now if renew else NOW - timedelta(days=90),
            )

        return self.catalog.write(work)

    def asked(self, seconds: int = 0, *, renew: bool = False) -> Request:
        found = self.request(seconds, renew=renew)
        assert found is not None
        return found

    def happen(self, request: Request, event: Event) -> State:
        return self.catalog.write(lambda tx: happen(tx, request.id, event))

    def result(
        self,
        request: Request,
        committed: tuple[str, ...] = IMAGES,
        failed: dict[str, int | None] | None = None,
        *,
        seconds: int = 1,
        archive: int | None = None,
    ) -> Taken:
        return self.catalog.write(
            lambda tx: take_result(
                tx,
                archive or self.archive,
                request.transaction_uid,
                [(CT, uid) for uid in committed],
                [(CT, uid, reason) for uid, reason in (failed or {}).items()],
                later(NOW, seconds),
            )
        )

    def evidence(self) -> dict[str, str]:
        with self.catalog.read() as connection:
            query = select(instance.c.sop_instance_uid, location.c.evidence).join(
                location, location.c.instance == instance.c.id
            )
            return {uid: evidence for uid, evidence in connection.execute(query)}

    def state(self, request: Request) -> str:
        with self.catalog.read() as connection:
            query = select(commitment_asked.c.state).where(commitment_asked.c.id == request.id)
            return str(connection.execute(query).scalar_one())

    def now_is(self) -> Archive:
        with self.catalog.read() as connection:
            return archive_of(connection, self.archive)


@pytest.fixture
def kept(catalog: Catalog) -> Kept:
    return Kept(catalog)


COMMITTED = dict.fromkeys(IMAGES, "committed")


def test_the_table_has_each_event_in_each_state() -> None:
    assert set(TRANSITIONS) == {(state, event) for state in State for event in Event}


#: How a request comes into each state.
BEFORE: dict[State, tuple[Event, ...]] = {
    State.MADE: (),
    State.ASKED: (Event.ACCEPTED,),
    State.IN_DOUBT: (Event.LOST,),
    State.ANSWERED: (Event.ACCEPTED, Event.RESULT),
    State.REFUSED: (Event.NOT_ACCEPTED,),
    State.OVERDUE: (Event.ACCEPTED, Event.TIME_UP),
}


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_each_event_in_each_state(kept: Kept, state: State, event: Event) -> None:
    """Evidence follows from a result, whenever it comes, unless the archive had refused the request."""
    request = kept.asked()
    for each in (*BEFORE[state], event):
        if each is Event.RESULT:
            kept.result(request)
        else:
            kept.happen(request, each)
    assert kept.state(request) == TRANSITIONS[state, event]
    has_result = state is State.ANSWERED or (event is Event.RESULT and state is not State.REFUSED)
    assert kept.evidence() == (COMMITTED if has_result else dict.fromkeys(IMAGES, "acknowledged"))
    assert not kept.now_is().suspended_at


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((Event.ACCEPTED,), {"early": False, "late": False, "repeated": 0}),
        ((), {"early": True, "late": False, "repeated": 0}),
        ((Event.ACCEPTED, Event.TIME_UP), {"early": False, "late": True, "repeated": 0}),
        ((Event.ACCEPTED, Event.RESULT), {"early": False, "late": False, "repeated": 1}),
    ],
    ids=["in order", "before the response", "after the time", "twice"],
)
def test_when_a_result_came_is_said(kept: Kept, events: tuple[Event, ...], said: dict[str, Any]) -> None:
    request = kept.asked()
    for each in events:
        if each is Event.RESULT:
            kept.result(request)
        else:
            kept.happen(request, each)
    kept.result(request, seconds=2)
    with kept.catalog.read() as connection:
        (row,) = page_of_requests(connection, kept.archive)
    assert {name: row[name] for name in said} == said
    assert row["instances"] == {"asked": 0, "committed": 3, "failed": 0, "omitted": 0}


def test_a_result_without_a_request_is_unknown(kept: Kept) -> None:
    request = kept.asked()
    unknown = Request(0, "2.25.99", ())
    assert kept.result(unknown).what is Taking.UNKNOWN
    # Nor does another peer answer for the archive.
    assert kept.result(request, archive=kept.archive + 1).what is Taking.UNKNOWN
    assert kept.evidence() == dict.fromkeys(IMAGES, "acknowledged")


def test_law_9_a_failure_suspends_the_promises_of_the_archive(kept: Kept) -> None:
    taken = kept.result(kept.asked(), (IMAGE,), {IMAGE_2: 0x0112, IMAGE_3: 0x0110})
    assert (taken.committed, taken.failed, taken.omitted) == (1, 2, 0)
    # What it says that it does not have is sent again before it is asked for again.
    assert kept.evidence() == {IMAGE: "committed", IMAGE_3: "acknowledged"}
    archive = kept.now_is()
    assert archive.suspended_at
    assert "2 instances" in archive.suspended_because
    assert archive.hindrance.startswith("Its promises are suspended")
    kept.catalog.write(lambda tx: resume(tx, kept.archive, NOW, by=ROE))
    assert not kept.now_is().suspended_at


def test_law_9_an_instance_that_the_result_omits_is_no_commitment(kept: Kept) -> None:
    taken = kept.result(kept.asked(), (IMAGE, IMAGE_2))
    assert (taken.committed, taken.omitted) == (2, 1)
    assert kept.evidence()[IMAGE_3] == "acknowledged"
    assert kept.now_is().suspended_at


def test_law_9_one_that_is_in_both_lists_is_no_commitment(kept: Kept) -> None:
    kept.result(kept.asked(), IMAGES, {IMAGE: 0x0110})
    assert kept.evidence()[IMAGE] == "acknowledged"


def test_law_9_a_second_result_may_take_back_and_never_adds_by_omission(kept: Kept) -> None:
    request = kept.asked()
    kept.result(request)
    kept.result(request, (), seconds=2)
    assert kept.evidence() == COMMITTED
    kept.result(request, (IMAGE, IMAGE_2), {IMAGE_3: 0x0112}, seconds=3)
    assert kept.evidence() == {IMAGE: "committed", IMAGE_2: "committed"}
    assert kept.now_is().suspended_at


def test_law_9_a_late_result_undoes_no_failure(kept: Kept) -> None:
    late = kept.asked()
    kept.happen(late, Event.TIME_UP)
    kept.result(kept.asked(5), (IMAGE, IMAGE_2), {IMAGE_3: 0x0110}, seconds=6)
    kept.result(late, seconds=7)
    assert kept.evidence()[IMAGE_3] == "acknowledged"


def test_law_9_a_result_that_comes_again_makes_no_evidence_younger(kept: Kept) -> None:
    request = kept.asked()
    kept.result(request, seconds=1)
    kept.result(request, seconds=1000)
    with kept.catalog.read() as connection:
        moments = set(connection.execute(select(location.c.at)).scalars())
    assert moments == {timestamp(later(NOW, 1))}


def test_law_9_an_archive_is_still_asked_for_the_only_copy_that_it_denies(kept: Kept) -> None:
    request = kept.asked()
    evicted = instance.update().where(instance.c.sop_instance_uid == IMAGE).values(residence="remote")
    kept.catalog.write(lambda tx: tx.execute(evicted))
    kept.result(request, (IMAGE_2,), {IMAGE: 0x0112, IMAGE_3: 0x0112})
    assert kept.evidence() == {IMAGE: "acknowledged", IMAGE_2: "committed"}


def test_law_9_only_bytes_that_were_acknowledged_are_committed_to(kept: Kept) -> None:
    """A commitment names class and UID only (PS3.4 J.3.2.1): it may be about bytes that somebody else has sent."""
    request = kept.asked()

    def replace(transaction: Connection) -> None:
        transaction.execute(location.update().values(digest="another"))

    kept.catalog.write(replace)
    kept.result(request)
    assert set(kept.evidence().values()) == {"acknowledged"}


def test_breach_of_law_9_evidence_without_the_digest_is_noticed(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(transaction: Connection, rows: Any) -> None:
        transaction.execute(location.update().values(evidence="committed"))

    monkeypatch.setattr(taking_results, "_KEPT", careless)
    with pytest.raises(AssertionError):
        test_law_9_only_bytes_that_were_acknowledged_are_committed_to(kept)


def test_what_has_other_bytes_by_now_was_not_acknowledged(kept: Kept) -> None:
    assert (
        kept.catalog.write(lambda tx: acknowledged(tx, kept.archive, [(kept.rows()[0].id, "other")], NOW))
        == 0
    )
    assert kept.catalog.write(lambda tx: acknowledged(tx, kept.archive + 1, [(1, "any")], NOW)) == 0


def test_what_is_asked_for_is_not_asked_for_twice(kept: Kept) -> None:
    request = kept.asked()
    assert {uid for _, uid in request.references} == set(IMAGES)
    assert kept.request() is None
    kept.happen(request, Event.ACCEPTED)
    assert kept.request() is None
    # A result that does not come in time is asked for again, and the old one still counts when it comes.
    with kept.catalog.read() as connection:
        assert not is_anything_overdue(connection, later(NOW, 3599))
        assert is_anything_overdue(connection, later(NOW, 3601))
    late = later(NOW, 3601)
    assert kept.catalog.write(lambda tx: time_up(tx, late)) == [(kept.archive, request.id)]
    assert kept.request(3602) is not None
    kept.result(request, seconds=3700)
    assert kept.evidence() == COMMITTED


def test_evidence_is_renewed_and_sending_again_does_not_weaken_it(kept: Kept) -> None:
    kept.result(kept.asked())
    assert kept.request() is None
    assert kept.acknowledge(seconds=5) == 3
    assert kept.evidence() == COMMITTED
    kept.result(kept.asked(100, renew=True), seconds=200)
    with kept.catalog.read() as connection:
        found = counts(connection, kept.archive, NOW)
        assert (found["committed"], found["acknowledged"], found["too_old"]) == (3, 0, 0)
        assert counts(connection, kept.archive, later(NOW, 300))["too_old"] == 3


def test_what_is_withdrawn_is_not_asked_for(kept: Kept) -> None:
    hide = instance.update().where(instance.c.sop_instance_uid == IMAGE).values(standing="withdrawn")
    kept.catalog.write(lambda tx: tx.execute(hide))
    assert {uid for _, uid in kept.asked().references} == {IMAGE_2, IMAGE_3}


# --- archives as people manage them ---------------------------------------------------------------


def test_an_archive_is_set_changed_and_ended(kept: Kept) -> None:
    catalog, key = kept.catalog, kept.archive

    def change(version: int | None, **policy: Any) -> Archive:
        return catalog.write(
            lambda tx: set_archive(tx, key, ArchivePolicy(**policy), NOW, expected_version=version, by=ROE)
        )

    assert change(1, renew_days=30).policy.renew_days == 30
    with pytest.raises(PeerVersionError):
        change(1)
    with pytest.raises(RefusedPeerError) as refused:
        change(None, renew_days=0)
    assert [fault.field for fault in refused.value.faults] == ["policy.archive.renew_days"]
    # The peer has no DICOMweb endpoint.
    with pytest.raises(RefusedPeerError):
        change(None, commitment=CommitmentBy.DICOMWEB)
    with pytest.raises(PeerNotFoundError):
        catalog.write(lambda tx: set_archive(tx, 99, ArchivePolicy(), NOW, expected_version=None, by=ROE))
    catalog.write(lambda tx: end_archive(tx, key, NOW, by=ROE))
    with pytest.raises(ArchiveNotFoundError):
        kept.now_is()
    assert change(None).peer == key


def test_the_first_recall_proves_and_any_recall_refuses(kept: Kept) -> None:
    assert "No recall" in kept.now_is().hindrance
    for proof, hindrance in ((Proof.PROVED, ""), (Proof.REFUSED, "suspended"), (Proof.PROVED, "suspended")):
        kept.catalog.write(lambda tx, proof=proof: prove(tx, kept.archive, proof, {"sentence": "x"}, NOW))  # type: ignore[misc]
        assert hindrance in kept.now_is().hindrance
    kept.catalog.write(lambda tx: resume(tx, kept.archive, NOW, by=ROE))
    assert kept.now_is().proof is Proof.NONE
