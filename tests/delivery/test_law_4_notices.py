"""Law 4: whoever was given an object is told of its withdrawal, once its undo window has closed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders import notices as sending
from kinote.delivery.orders.notices import NoticeSender
from kinote.lifecycle.acts import QUALITY, SAFETY, Act
from kinote.lifecycle.owed.notices import notices, tell_by_hand
from kinote.notes.acts.rejection import reject
from kinote.notes.acts.revise import revise
from kinote.notes.acts.undo_windows import UndoWindows
from kinote.peers.destination import Policy
from tests.actors import ROE
from tests.clock import clock
from tests.delivery.lying_peer import Peer, listening
from tests.delivery.outbox import Outbox, outbox
from tests.notes.sample_studies import made, read, request

UNDERSTANDS = Policy(rejection_notes=True)


@pytest.fixture
def box(catalog: Catalog, tmp_path: Path) -> Iterator[Outbox]:
    with outbox(catalog, tmp_path) as opened:
        yield opened


def withdraw(box: Outbox, uid: str, act: Act = QUALITY, window: timedelta = timedelta(0)) -> int:
    return box.catalog.write(
        lambda transaction: reject(
            transaction, [uid], act=act, text="blurred", by=ROE, now=clock().astimezone(), undo_window=window
        )
    )


def owed(box: Outbox) -> list[tuple[bool, bool]]:
    """Of each that is owed whether it is a rejection, and whether it is due."""
    with box.catalog.read() as connection:
        return [(each.is_rejection, each.is_due) for each in notices(connection, limit=100)]


def step(box: Outbox) -> None:
    UndoWindows(box.catalog, clock).step()
    NoticeSender(box.catalog, box.shop.clock).step()
    box.carry_out()


def test_law_4_a_receiver_that_understands_them_gets_the_rejection_note(box: Outbox) -> None:
    uids = box.images(2)
    peer = Peer()
    with listening(peer) as endpoint:
        box.order(box.destination(endpoint, policy=UNDERSTANDS))
        box.carry_out()
        withdraw(box, uids[0])
        assert owed(box) == [(True, False)] or owed(box) == [(True, True)]
        step(box)
    assert owed(box) == []
    assert len(peer.given) == 3
    assert peer.has[peer.given[2]][2] == "1.2.840.10008.5.1.4.1.1.88.59"


def test_law_4_nothing_is_told_before_the_window_has_closed(box: Outbox) -> None:
    uids = box.images(1)
    peer = Peer()
    with listening(peer) as endpoint:
        box.order(box.destination(endpoint, policy=UNDERSTANDS))
        box.carry_out()
        withdraw(box, uids[0], window=timedelta(hours=1))
        step(box)
    assert owed(box) == [(True, False)]
    assert peer.given == uids


def test_law_4_a_receiver_without_such_a_destination_is_told_by_hand(box: Outbox) -> None:
    uids = box.images(1)
    peer = Peer()
    with listening(peer) as endpoint:
        box.order(box.destination(endpoint))
        box.carry_out()
        key = withdraw(box, uids[0])
        step(box)
        assert (peer.given, owed(box)) == (uids, [(True, True)])
    with box.catalog.read() as connection:
        (one,) = notices(connection, limit=10)
    number = box.catalog.write(
        lambda transaction: tell_by_hand(
            transaction, key, peer_id=one.peer, address=one.address, by="by telephone", now=clock()
        )
    )
    assert (number, owed(box)) == (1, [])
    assert box.ledger()[one.sop_instance_uid] == "told"


def test_law_4_what_is_for_patient_safety_goes_first(box: Outbox) -> None:
    uids = box.images(2)
    peer = Peer()
    with listening(peer) as endpoint:
        box.order(box.destination(endpoint, policy=UNDERSTANDS))
        box.carry_out()
        withdraw(box, uids[0])
        urgent = withdraw(box, uids[1], SAFETY)
        UndoWindows(box.catalog, clock).step()
        with box.catalog.read() as connection:
            first = {each.sop_instance_uid: each.withdrawal for each in notices(connection, limit=10)}
        step(box)
        assert first[peer.given[2]] == urgent
        step(box)
    assert (len(peer.given), owed(box)) == (4, [])


def test_law_4_a_notice_that_was_not_taken_stays_owed(box: Outbox) -> None:
    uids = box.images(1)
    peer = Peer(script=lambda uid, number: 0 if uid in uids else 0xA900)
    with listening(peer) as endpoint:
        box.order(box.destination(endpoint, policy=UNDERSTANDS))
        box.carry_out()
        withdraw(box, uids[0])
        step(box)
    assert owed(box) == [(True, True)]


def test_law_4_what_is_not_due_or_not_taken_holds_up_no_notice_for_safety(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One notice is refused, which is tried again an hour later; others have open windows; a page takes one."""
    monkeypatch.setattr(sending, "_TOGETHER", 1)
    uids = box.images(6)
    refused: list[str] = []
    peer = Peer(script=lambda uid, number: 0xA900 if uid in refused else 0)
    with listening(peer) as endpoint:
        box.order(box.destination(endpoint, policy=UNDERSTANDS))
        box.carry_out()
        withdraw(box, uids[0])
        with box.catalog.read() as connection:
            refused += [each.sop_instance_uid for each in notices(connection, limit=10)]
        step(box)
        assert peer.given[6:] == refused
        for uid in uids[1:4]:
            withdraw(box, uid, window=timedelta(hours=1))
        urgent = withdraw(box, uids[5], SAFETY)
        with box.catalog.read() as connection:
            wanted = [
                each.sop_instance_uid for each in notices(connection, limit=10) if each.withdrawal == urgent
            ]
        step(box)
    assert peer.given[7:] == wanted
    assert len(owed(box)) == 4


def test_law_4_what_is_not_due_hides_no_notice_that_is(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_TOGETHER", 1)
    uids = box.images(6)
    peer = Peer()
    with listening(peer) as endpoint:
        box.order(box.destination(endpoint, policy=UNDERSTANDS))
        box.carry_out()
        for uid in uids[:5]:
            withdraw(box, uid, window=timedelta(hours=1))
        withdraw(box, uids[5])
        step(box)
    assert sorted(owed(box)) == [(True, False)] * 5


def test_law_4_a_new_document_that_is_refused_holds_up_no_other_notice(box: Outbox) -> None:
    """It holds up the rejection of the document that it replaces."""
    uids = box.images(2)
    refused: list[str] = []
    peer = Peer(script=lambda uid, number: 0xA900 if uid in refused else 0)
    with listening(peer) as endpoint:
        note = made(box.catalog, request(uids[0]))
        box.order(box.destination(endpoint, policy=UNDERSTANDS))
        box.carry_out()
        assert note.id is not None
        number = note.id
        changed = request(uids[0], description="Two")
        box.catalog.write(
            lambda transaction: revise(transaction, number, changed, expected_version=1, by=ROE, now=clock())
        )
        refused += [each.sop_instance_uid for each in read(box.catalog, number).key_objects]
        withdraw(box, uids[1])
        step(box)
    assert len(peer.given) == 5
    assert refused[0] in peer.given[3:]
    with box.catalog.read() as connection:
        (left,) = notices(connection, limit=10)
    assert (left.act, left.is_due) == ("revised", True)


def test_breach_of_law_4_notices_that_nobody_sends_are_noticed(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no destination counted as one that understands them, they would stay owed."""
    uids = box.images(1)
    monkeypatch.setattr(sending, "destination_for", lambda connection, peer: None)
    with listening(Peer()) as endpoint:
        box.order(box.destination(endpoint, policy=UNDERSTANDS))
        box.carry_out()
        withdraw(box, uids[0])
        step(box)
    assert owed(box) == [(True, True)]
