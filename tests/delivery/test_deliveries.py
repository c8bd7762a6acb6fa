"""Deliveries: what their manifests have, and what becomes of each object whatever the destination does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.delivery.orders import outcomes, page_under_way
from kinote.delivery.orders.acts import DeliveryAct, do
from kinote.delivery.orders.lists import delivery_sentences
from kinote.delivery.orders.ordering import NotDeliverableError, Selected
from kinote.jobs.leased import Failed, LostLeaseError
from kinote.peers.destination import Policy
from tests.actors import ROE
from tests.delivery.lying_peer import Peer, listening
from tests.delivery.outbox import Outbox, outbox
from tests.peers.wanted import dimse


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    """On SQLite: what differs between the databases is in `test_law_10_accounts`."""
    catalog = Catalog(CatalogOptions(f"sqlite:///{tmp_path / 'kinote.sqlite'}"))
    try:
        with outbox(catalog, tmp_path) as opened:
            yield opened
    finally:
        catalog.close()


def test_a_delivery_is_done_when_every_object_of_its_manifest_is_acknowledged(box: Outbox) -> None:
    uids = box.images(5)
    peer = Peer()
    with listening(peer) as endpoint:
        ordered = box.order(box.destination(endpoint))
        box.carry_out()
    state, account = box.account(ordered.id)
    assert (state, account["manifest"], account["acknowledged"]) == ("done", 5, 5)
    assert peer.given == uids
    assert box.objects(ordered.id) == dict.fromkeys(uids, "acknowledged")
    assert box.ledger() == dict.fromkeys(uids, "given")
    with box.catalog.read() as connection:
        said = delivery_sentences(connection, uids[0])
    assert said == [f"Delivery {ordered.id} to Archive: acknowledged, and found there."]


def test_what_comes_after_the_begin_is_not_in_the_manifest(box: Outbox) -> None:
    box.images(2)
    peer = Peer(script=lambda uid, number: 0xA700 if number == 1 else 0)
    with listening(peer) as endpoint:
        ordered = box.order(box.destination(endpoint))
        box.carry_out()
        box.images(3, first=10)
        box.pass_time()
        box.carry_out()
    assert box.account(ordered.id)[1]["manifest"] == 2
    assert len(peer.has) == 2


def test_what_is_withdrawn_before_it_is_sent_is_skipped_with_its_reason(box: Outbox) -> None:
    uids = box.images(3)
    peer = Peer(taking=lambda uid: box.withdraw(uids[1]) if uid == uids[0] else None)
    with listening(peer) as endpoint:
        ordered = box.order(box.destination(endpoint))
        box.carry_out()
    assert peer.given == [uids[0], uids[2]]
    state, account = box.account(ordered.id)
    assert (state, account["skipped"], account["acknowledged"]) == ("done", 1, 2)
    assert box.objects(ordered.id)[uids[1]] == "skipped"


def test_the_same_that_has_not_begun_is_one_delivery_with_the_better_priority(box: Outbox) -> None:
    box.images(1)
    to = box.destination(dimse("NOBODY", "127.0.0.1", 1))
    first, again = box.order(to, priority=7), box.order(to, priority=2)
    assert (again.id, again.is_new) == (first.id, False)
    assert box.one(first.id)["priority"] == 2
    assert box.order(to, cause="route 1").is_new
    box.carry_out()
    assert box.order(to).is_new


def test_nothing_goes_to_a_destination_that_has_ended(box: Outbox) -> None:
    to = box.destination(dimse())
    with pytest.raises(NotDeliverableError, match="Name at least one"):
        box.order(to, selected=Selected())
    with pytest.raises(NotDeliverableError, match="no destination"):
        box.order(99)


@pytest.mark.parametrize(
    ("peer", "attempts", "states", "state"),
    [
        pytest.param(
            Peer(script=lambda uid, number: 0xA700 if number == 2 else 0),
            2,
            ["acknowledged"] * 3,
            "done",
            id="full",
        ),
        pytest.param(
            Peer(script=lambda uid, number: 0xA900 if uid.endswith(".2") else 0),
            1,
            ["acknowledged", "refused", "acknowledged"],
            "failed",
            id="refuses one",
        ),
        pytest.param(
            Peer(script=lambda uid, number: 0xB000 if uid.endswith(".2") else 0),
            1,
            ["acknowledged"] * 3,
            "done",
            id="warns",
        ),
        pytest.param(
            Peer(script=lambda uid, number: "abort" if number == 2 else 0),
            2,
            ["acknowledged"] * 3,
            "done",
            id="aborts once",
        ),
        pytest.param(
            Peer(classes=("1.2.840.10008.5.1.4.1.1.4",)),
            1,
            ["refused"] * 3,
            "failed",
            id="does not take the class",
        ),
        pytest.param(
            Peer(syntaxes=("1.2.840.10008.1.2.4.50",)), 1, ["refused"] * 3, "failed", id="no syntax"
        ),
    ],
)
def test_each_fault_of_a_destination_ends_in_the_right_state(
    box: Outbox, peer: Peer, attempts: int, states: list[str], state: str
) -> None:
    uids = box.images(3)
    with listening(peer) as endpoint:
        ordered = box.order(box.destination(endpoint))
        for _ in range(attempts):
            box.carry_out()
            box.pass_time()
    assert list(box.objects(ordered.id).values()) == states
    assert box.account(ordered.id)[0] == state
    assert set(peer.has) >= {uid for uid, now in zip(uids, states, strict=True) if now == "acknowledged"}


def test_an_object_that_always_aborts_keeps_no_other_from_being_sent(box: Outbox) -> None:
    uids = box.images(4)
    peer = Peer(script=lambda uid, number: "abort" if uid == uids[1] else 0)
    with listening(peer) as endpoint:
        ordered = box.order(box.destination(endpoint))
        (outcome,) = box.carry_out()
    assert isinstance(outcome, Failed), outcome
    assert sorted(peer.has) == [uids[0], uids[2], uids[3]]
    assert box.objects(ordered.id)[uids[1]] == "unknown"
    assert box.ledger()[uids[1]] == "unknown"


def test_a_destination_that_is_away_is_tried_again_and_nothing_of_its_delivery_is_lost(box: Outbox) -> None:
    uids = box.images(3)
    to = box.destination(dimse("NOBODY", "127.0.0.1", 1))
    ordered = box.order(to)
    (outcome,) = box.carry_out()
    assert isinstance(outcome, Failed)
    assert box.objects(ordered.id) == dict.fromkeys(uids, "waiting")
    assert box.ledger() == {}


def test_law_3_a_delivery_that_never_comes_about_ends(box: Outbox) -> None:
    box.images(1)
    ordered = box.order(box.destination(dimse("NOBODY", "127.0.0.1", 1)))
    box.shop.kinds = {"deliver": replace(box.shop.kinds["deliver"], attempts=3)}
    for _ in range(3):
        box.carry_out()
        box.pass_time()
    state, _ = box.account(ordered.id)
    assert state == "failed"
    assert "127.0.0.1" in box.one(ordered.id)["said"]


def test_after_a_crash_one_group_at_most_is_sent_again(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies when it writes for the third time while sending."""
    monkeypatch.setattr(page_under_way, "_GROUP", 5)
    uids = box.images(30)
    peer = Peer()
    writes = 0
    writing = outcomes.write_outcomes

    def dying(*arguments: object, **options: object) -> None:
        nonlocal writes
        writes += 1
        if writes == 3:
            raise LostLeaseError("The worker was killed.")
        writing(*arguments, **options)  # type: ignore[arg-type]

    with listening(peer) as endpoint:
        ordered = box.order(box.destination(endpoint))
        monkeypatch.setattr(page_under_way, "write_outcomes", dying)
        box.carry_out()
        monkeypatch.setattr(page_under_way, "write_outcomes", writing)
        sent_before = len(peer.given)
        box.pass_time()
        box.carry_out()
    assert box.account(ordered.id)[1]["acknowledged"] == 30
    assert sorted(set(peer.given)) == sorted(uids)
    # What was sent and not written: a group, what waits to be told, and what is under way.
    assert len(peer.given) - 30 <= sent_before - 10


def test_law_4_what_a_worker_that_died_may_have_sent_is_owed_its_withdrawal(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was sent, the worker died before it wrote so, and then it was withdrawn."""
    uids = box.images(3)
    writing = outcomes.write_outcomes

    def dying(*arguments: object, **options: object) -> None:
        raise RuntimeError("The worker was killed.")

    peer = Peer()
    with listening(peer) as endpoint:
        ordered = box.order(box.destination(endpoint))
        monkeypatch.setattr(page_under_way, "write_outcomes", dying)
        box.carry_out()
        assert (sorted(peer.has), box.ledger()) == (uids, {})
        monkeypatch.setattr(page_under_way, "write_outcomes", writing)
        box.withdraw(uids[0])
        box.pass_time()
        box.carry_out()
    assert box.objects(ordered.id)[uids[0]] == "skipped"
    # Who may have an object is owed its rejection note, in the same transaction (`record_given`).
    assert box.ledger()[uids[0]] == "unknown"


def test_what_was_withdrawn_before_it_was_sent_is_nobodys_to_be_told(box: Outbox) -> None:
    uids = box.images(3)
    peer = Peer()
    with listening(peer) as endpoint:
        ordered = box.order(box.destination(endpoint))
        box.withdraw(uids[0])
        box.carry_out()
    assert box.objects(ordered.id) == {uids[1]: "acknowledged", uids[2]: "acknowledged"}
    assert sorted(box.ledger()) == uids[1:]


def test_a_cancelled_delivery_sends_nothing_more_and_is_taken_up_again(box: Outbox) -> None:
    uids = box.images(6)
    ordered_id = 0

    def cancel(uid: str) -> None:
        if peer.given == uids[:2]:
            act(box, DeliveryAct.CANCEL, ordered_id)

    peer = Peer(taking=cancel)
    with listening(peer) as endpoint:
        ordered_id = box.order(box.destination(endpoint)).id
        box.carry_out()
        assert box.account(ordered_id)[0] == "cancelled"
        act(box, DeliveryAct.RETRY, ordered_id)
        box.carry_out()
    assert box.account(ordered_id)[0] == "done"
    assert sorted(peer.has) == uids


def act(box: Outbox, what: DeliveryAct, key: int, **options: int) -> None:
    box.catalog.write(
        lambda transaction: do(
            transaction, what, [key], expected=1, by=ROE, reason="asked for", clock=box.shop.clock, **options
        )
    )


def test_what_was_refused_is_sent_again_when_a_person_asks_for_it(box: Outbox) -> None:
    uids = box.images(2)
    refuses = [True]
    peer = Peer(script=lambda uid, number: 0xC000 if refuses[0] and uid == uids[1] else 0)
    with listening(peer) as endpoint:
        ordered = box.order(box.destination(endpoint))
        box.carry_out()
        assert box.account(ordered.id)[0] == "failed"
        refuses[0] = False
        act(box, DeliveryAct.RETRY, ordered.id)
        box.carry_out()
    state, account = box.account(ordered.id)
    assert (state, account["acknowledged"], account.get("failed", 0)) == ("done", 2, 0)
    assert peer.given == [*uids, uids[1]]


def test_in_a_downtime_deliveries_wait_without_attempts_and_then_go_out(box: Outbox) -> None:
    box.images(1)
    now = box.shop.clock()
    policy = Policy(
        downtime_from=(now - timedelta(hours=1)).isoformat(),
        downtime_until=(now + timedelta(hours=1)).isoformat(),
        downtime_why="the archive is moved",
    )
    with listening(Peer()) as endpoint:
        ordered = box.order(box.destination(endpoint, policy=policy))
        assert box.carry_out() == []
        assert "the archive is moved" in box.one(ordered.id)["held"]
        box.shop.clock.now += timedelta(hours=2)
        assert box.carry_out()
    assert box.account(ordered.id)[0] == "done"


def test_other_destinations_go_on_while_one_is_held_up(box: Outbox) -> None:
    """Each has a line of its own: the job of one that does not answer is leased, and the other is claimed."""
    uids = box.images(2)
    peer = Peer()
    with listening(peer) as endpoint:
        box.order(box.destination(dimse("NOBODY", "127.0.0.1", 1), "Away"))
        box.order(box.destination(endpoint, "There"))
        stalled = box.claim()
        assert stalled is not None
        box.carry_out()
        assert stalled.claimed.destination == "Away"
    assert peer.given == uids
