"""Law 10: what a delivery had, what was acknowledged and what is at the destination agree, or it is said where not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders import account
from kinote.delivery.orders.acts import DeliveryAct, do
from kinote.delivery.orders.ways.finders import Remembered
from kinote.peers.destination import Policy
from tests.actors import ROE
from tests.delivery.lying_peer import Peer, listening
from tests.delivery.outbox import Outbox, outbox


@pytest.fixture
def box(catalog: Catalog, tmp_path: Path) -> Iterator[Outbox]:
    with outbox(catalog, tmp_path) as opened:
        yield opened


def carried_out(box: Outbox, peer: Peer, policy: Policy | None = None) -> int:
    """Order a delivery of three images, and go on until it has ended."""
    with listening(peer) as endpoint:
        key = box.order(box.destination(endpoint, policy=policy)).id
        for _ in range(8):
            box.carry_out()
            box.pass_time()
    return key


def test_law_10_everything_that_was_acknowledged_is_found_at_the_destination(box: Outbox) -> None:
    box.images(3)
    key = carried_out(box, Peer())
    assert box.account(key) == (
        "done",
        {"manifest": 3, "acknowledged": 3, "found": 3, "verdict": "agrees"},
    )


def test_law_10_what_is_acknowledged_and_not_there_is_named(box: Outbox) -> None:
    uids = box.images(3)
    peer = Peer(forgets=frozenset({uids[1]}))
    key = carried_out(box, peer)
    state, found = box.account(key)
    assert (state, found["verdict"], found["acknowledged"], found["found"]) == ("failed", "differs", 3, 2)
    assert box.objects(key)[uids[1]] == "missing"
    assert box.one(key)["said"] == "1 object that it has acknowledged is not at the destination."
    # It is sent again when a person asks for it, and then it is there.
    peer.forgets = frozenset()
    with listening(peer) as endpoint:
        move(box, endpoint.address)
        box.catalog.write(
            lambda transaction: do(
                transaction, DeliveryAct.RETRY, [key], expected=1, by=ROE, reason="", clock=box.shop.clock
            )
        )
        box.carry_out()
    assert box.account(key) == (
        "done",
        {"manifest": 3, "acknowledged": 3, "found": 3, "verdict": "agrees"},
    )
    assert peer.given[3:] == [uids[1]]


def move(box: Outbox, address: str) -> None:
    """Let all endpoints be at another address."""
    import json

    from kinote.catalog.schema.tables import endpoint

    title, _, place = address.partition("@")
    host, _, port = place.partition(":")
    details = json.dumps({"ae_title": title, "host": host, "port": int(port)})
    box.catalog.write(
        lambda transaction: transaction.execute(endpoint.update().values(address=address, details=details))
    )


@pytest.mark.parametrize(
    ("peer", "policy"),
    [
        pytest.param(Peer(answers_queries=False), Policy(), id="answers no queries"),
        pytest.param(Peer(), Policy(queried=False), id="is not asked"),
    ],
)
def test_law_10_where_the_destination_cannot_be_asked_nothing_is_claimed(
    box: Outbox, peer: Peer, policy: Policy
) -> None:
    box.images(2)
    state, found = box.account(carried_out(box, peer, policy))
    assert (state, found["verdict"], found["acknowledged"], "found" in found) == (
        "done",
        "unverified",
        2,
        False,
    )


def test_breach_of_law_10_an_account_that_believes_acknowledgments_is_noticed(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If whatever was acknowledged counted as found, the account would say that it is there."""
    uids = box.images(2)

    class Believing(Remembered):
        def instances(self, study: str, series: str) -> frozenset[str]:
            return frozenset(uids)

    monkeypatch.setattr(account, "Remembered", Believing)
    peer = Peer(forgets=frozenset(uids))
    key = carried_out(box, peer)
    _, found = box.account(key)
    there = {uid for uid in peer.has if uid not in peer.forgets}
    assert found["found"] != len(there)
