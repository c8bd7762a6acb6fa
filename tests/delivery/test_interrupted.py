"""What holds when a delivery is interrupted: cancelled, out of time, held, its destination removed, never answered."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from kinote.catalog.schema.tables import destination
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders import page_under_way
from kinote.delivery.orders.acts import DeliveryAct, do
from kinote.delivery.orders.carrying_out import CarryOut
from kinote.delivery.orders.ordering import DELIVER
from kinote.delivery.orders.ways.by_folder import ByFolder
from kinote.delivery.outgoing import Sendable
from kinote.dicom.files.data_set_file import DataSet
from kinote.jobs.leased import LeftOff
from kinote.peers import destination_acts
from kinote.peers.destination import Policy
from kinote.peers.peer import Endpoint, EndpointKind
from tests.actors import ROE
from tests.delivery.lying_peer import Peer, listening
from tests.delivery.outbox import Outbox, outbox
from tests.dimse.both_ends import EXPLICIT
from tests.dimse.ends import CT


@pytest.fixture
def box(catalog: Catalog, tmp_path: Path) -> Iterator[Outbox]:
    with outbox(catalog, tmp_path) as opened:
        yield opened


def test_law_4_what_a_cancelled_delivery_has_given_is_in_the_ledger(box: Outbox) -> None:
    uids = box.images(20)
    key = 0

    def cancel(uid: str) -> None:
        if len(peer.given) == 4:
            box.catalog.write(
                lambda transaction: do(
                    transaction,
                    DeliveryAct.CANCEL,
                    [key],
                    expected=1,
                    by=ROE,
                    reason="asked for",
                    clock=box.shop.clock,
                )
            )

    peer = Peer(taking=cancel)
    with listening(peer) as endpoint:
        key = box.order(box.destination(endpoint)).id
        box.carry_out()
    assert box.account(key)[0] == "cancelled"
    assert set(uids[:4]) <= set(peer.given)
    assert box.ledger() == dict.fromkeys(peer.given, "given")


def test_what_is_under_way_when_a_turn_is_over_is_not_sent_again(box: Outbox) -> None:
    """Of a turn of 60 seconds, each object takes 25."""
    uids = box.images(12)
    seconds = [0.0]

    def take(uid: str) -> None:
        seconds[0] += 25

    peer = Peer(taking=take)
    carry_out = CarryOut(box.catalog, box.door, box.shop.clock, box.calling, steady=lambda: seconds[0])
    box.handlers[DELIVER.name] = carry_out
    with listening(peer) as endpoint:
        key = box.order(box.destination(endpoint, policy=Policy(associations=2))).id
        done = box.carry_out()
    assert sum(isinstance(each, LeftOff) for each in done) >= 2
    assert sorted(peer.given) == sorted(uids)
    assert box.account(key)[0] == "done"


def test_a_destination_that_is_disabled_in_the_middle_gets_no_more(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_under_way, "_GROUP", 1)
    uids = box.images(200)

    def enable(value: bool) -> None:
        box.catalog.write(
            lambda transaction: transaction.execute(update(destination).values(is_enabled=value))
        )

    def take(uid: str) -> None:
        if len(peer.given) == 2:
            enable(False)

    peer = Peer(taking=take)
    with listening(peer) as endpoint:
        key = box.order(box.destination(endpoint)).id
        box.carry_out()
        assert len(peer.given) < 150
        assert box.account(key)[0] == "sending"
        enable(True)
        box.carry_out()
    assert sorted(peer.given) == sorted(uids)
    assert box.account(key)[0] == "done"


def test_a_destination_that_was_removed_is_not_asked_what_it_has(box: Outbox) -> None:
    box.images(1)
    peer = Peer()
    with listening(peer) as endpoint:
        to = box.destination(endpoint)
        key = box.order(to).id
        box.step()
        assert box.account(key)[0] == "checking"
        box.catalog.write(
            lambda transaction: destination_acts.remove_destination(
                transaction, to, box.shop.clock(), expected_version=None, by=ROE
            )
        )
        associations = peer.associations
        box.carry_out()
    assert peer.associations == associations
    assert box.account(key)[1]["verdict"] == "unverified"
    assert "was not asked" in box.one(key)["said"]


def test_law_3_what_is_never_answered_is_given_up_while_the_destination_answers_for_others(
    box: Outbox,
) -> None:
    uids = box.images(3)
    peer = Peer(script=lambda uid, number: "abort" if uid == uids[1] else 0)
    with listening(peer) as endpoint:
        key = box.order(box.destination(endpoint)).id
        for _ in range(15):
            box.carry_out()
            box.pass_time()
    assert box.objects(key)[uids[1]] == "refused"
    state, account = box.account(key)
    assert (state, account["acknowledged"], account["refused"], account["failed"]) == ("failed", 2, 1, 1)
    assert "1 object" in box.one(key)["said"]


class Failing(io.BufferedReader):
    """A file of which the second read fails."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError("The disk fails.")
        return super().read(4)


def test_a_file_that_cannot_be_written_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    failing: Any = Failing(io.BytesIO(bytes(8)))
    wanted = Sendable(CT, "1.2.3.4", EXPLICIT, lambda: DataSet(failing, 8))
    (sent,) = ByFolder(Endpoint(EndpointKind.FOLDER, path=str(tmp_path))).send([wanted], lambda *_: None)
    assert (sent.kind, sent.reason) == ("failed", "The disk fails.")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
