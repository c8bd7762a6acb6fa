"""The life of objects that are also at an archive: deliveries, lies, commitment, eviction, recall and holds.

The archive is the peer that objects are moved to as well. What it really keeps is known here. It may say that it has
stored what it throws away; but it commits only to what it keeps, so whatever is evicted can be got back (law 9).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import delivery_object, location
from kinote.delivery.archives.fetching import Fetched, NotFetchedError, Wanted
from kinote.delivery.orders.ordering import Selected, order
from kinote.holdings.live_objects import Selection
from kinote.holdings.removing.evicting import evict
from kinote.holdings.removing.removal import remove_remembered
from kinote.holdings.unavailable import BytesElsewhereError, BytesUnavailableError
from kinote.lifecycle.archives.asking import Request, happen, make_request, time_up
from kinote.lifecycle.archives.promises import archive_of, resume, set_archive
from kinote.lifecycle.archives.request_states import Event
from kinote.lifecycle.archives.taking_results import Taking, take_result
from kinote.lifecycle.holds.acts import WantedHold, end, place
from kinote.lifecycle.holds.hold import HeldThing, HoldKind, HoldLevel
from kinote.peers import acts as peer_acts
from kinote.peers import destination_acts
from kinote.peers.archive_policy import ArchivePolicy
from tests.actors import ROE
from tests.laws.life import Life
from tests.laws.life_audit import digest_in, read
from tests.laws.living_product import LivingProduct, Sink
from tests.peers.wanted import archive as archive_peer
from tests.peers.wanted import dimse, sending_to

_ARCHIVE = 1


class ArchivedLife(Life):
    def __init__(self, product: LivingProduct, sink: Sink) -> None:
        product.gives = self._given_back
        self._begin_archive(product)
        self.asked: list[Request] = []
        self.holds: dict[str, int] = {}
        self.is_away = False
        super().__init__(product, sink)
        sink.kept.clear()

    def _begin_archive(self, product: LivingProduct) -> None:
        (listening,) = product.peers
        (reached,) = listening.endpoints

        def begin(transaction: Connection) -> None:
            at = dimse("SINK", str(reached.host), int(reached.port or 0))
            made = peer_acts.add_peer(
                transaction, archive_peer("SINK", at), product.clock(), hosts_needed=False, by=ROE
            )
            assert made.id == _ARCHIVE
            wanted = sending_to(made.endpoints[0], "SINK")
            self.destination = destination_acts.add_destination(
                transaction, wanted, product.clock(), by=ROE
            ).id
            set_archive(transaction, made.id, ArchivePolicy(), product.clock(), expected_version=None, by=ROE)

        product.catalog.write(begin)

    # --- after each step ---

    def hold(self) -> None:
        super().hold()
        self._hold_law_9()
        self._hold_law_10()

    def _hold_law_9(self) -> None:
        """What has no bytes here is at the archive, byte for byte."""
        for row in self.rows.instances.values():
            if row.residence == "remote":
                assert self._is_kept(row), f"{row.uid} is evicted, and the archive does not have it"

    def _is_kept(self, row: Any) -> bool:
        kept = self.sink.kept.get(row.uid)
        return kept is not None and digest_in(kept[1], row.digest_algorithm) == row.digest

    def _hold_law_10(self) -> None:
        """Nothing counts as acknowledged that the archive has not answered for."""
        query = select(delivery_object.c.sop_instance_uid).where(delivery_object.c.state == "acknowledged")
        with self.product.catalog.read() as connection:
            assert set(connection.execute(query).scalars()) <= self.sink.answered

    # --- deliveries ---

    def order(self, study: str) -> None:
        self.product.catalog.write(
            lambda transaction: order(
                transaction,
                self.destination,
                Selected(studies=(study,)),
                by=ROE,
                clock=self.product.shop.clock,
            )
        )

    def archive(self, study: str, *, proves: bool, evicts: bool) -> None:
        self.sink.expect()
        self.sink.forgets = False
        self.order(study)
        for _ in range(20):
            leased = self.claim("archiving")
            if leased is None:
                break
            self.work(leased)
        self.ask(is_lost=False)
        self.answer(lambda those: those[-1], "honest")
        if proves:
            self.prove()
        if evicts:
            self.evict()

    # --- commitment ---

    def ask(self, *, is_lost: bool) -> None:
        def work(transaction: Connection) -> Request | None:
            now = self.product.clock()
            made = make_request(
                transaction,
                _ARCHIVE,
                now=now,
                timeout=timedelta(hours=1),
                renew_before=now - timedelta(days=30),
            )
            if made is not None:
                happen(transaction, made.id, Event.LOST if is_lost else Event.ACCEPTED)
            return made

        made = self.product.catalog.write(work)
        if made is not None:
            self.asked.append(made)

    def time_up(self) -> None:
        self.product.catalog.write(lambda transaction: time_up(transaction, self.product.clock()))

    def answer(self, choose: Callable[[Sequence[Request]], Request], how: str) -> None:
        """The archive's result: as it is, with a half left out, with all failed; it may come again later."""
        if not self.asked:
            return
        made = choose(self.asked)
        has = [each for each in made.references if each[1] in self.sink.kept] if how != "fails" else []
        failed = [(*each, 0x0112) for each in made.references if each not in has]
        if how == "half":
            has = has[: len(has) // 2]
        transaction_uid = made.transaction_uid + ("9" if how == "unknown" else "")
        taken = self.product.catalog.write(
            lambda transaction: take_result(
                transaction, _ARCHIVE, transaction_uid, has, failed, self.product.clock()
            )
        )
        assert (taken.what is Taking.UNKNOWN) is (how == "unknown")

    # --- eviction and recall ---

    def prove(self) -> None:
        """A person lets the archive's word count, and has a recall prove it."""
        now = self.product.clock()
        with self.product.catalog.read() as connection:
            is_suspended = bool(archive_of(connection, _ARCHIVE).suspended_at)
            found = self.product.recaller.provable(connection, _ARCHIVE)
        if is_suspended:
            self.product.catalog.write(lambda transaction: resume(transaction, _ARCHIVE, now, by=ROE))
        if found is None:
            return
        key, uid = found
        try:
            report = self.product.recaller.prove(_ARCHIVE, key, lambda: self.product.door.open_copy(key, uid))
        except NotFetchedError:
            return
        row = read(self.product).instances[key]
        assert report["identical"] is self._is_kept(row)

    def evict(self) -> None:
        before = read(self.product)
        now = self.product.clock()
        evicted = self.product.catalog.write(
            lambda transaction: evict(transaction, list(before.instances), now)
        )
        with self.product.catalog.read() as connection:
            archive = archive_of(connection, _ARCHIVE)
            said = {row.instance: row.evidence for row in connection.execute(select(location)).all()}
        for key in evicted.instances:
            row = before.instances[key]
            assert (row.standing, row.residence) == ("live", "local"), row
            assert not archive.hindrance
            assert said.get(key) == "committed"
            assert self._is_kept(row), f"{row.uid} goes, and the archive does not have it"
            assert row.study not in self.holds, f"{row.uid} goes, and is on hold"
        self.touched |= {before.instances[key].study for key in evicted.instances}

    def remove_evicted(self) -> None:
        remove_remembered(self.product.catalog, self.product.stores)

    def read_again(self, choose: Callable[[Sequence[Any]], Any], *, is_away: bool) -> None:
        """A reader of an evicted image gets it, or is told that it is elsewhere."""
        remote = [
            row
            for row in read(self.product).instances.values()
            if row.residence == "remote" and row.standing == "live"
        ]
        if not remote:
            return
        row = choose(remote)
        (found,) = self.product.door.select(Selection(instances=(row.uid,)))
        self.is_away = is_away
        try:
            with self.product.door.open(found, ROE).file as file:
                assert digest_in(file.read(), row.digest_algorithm) == row.digest
            assert not is_away
        except (BytesElsewhereError, BytesUnavailableError):
            assert is_away
        finally:
            self.is_away = False

    def _given_back(self, wanted: Wanted) -> Fetched:
        kept = self.sink.kept.get(wanted.sop_instance_uid)
        if self.is_away or kept is None:
            raise NotFetchedError("The archive does not answer")
        syntax, dataset = kept
        return Fetched(io.BytesIO(dataset), len(dataset), syntax)

    # --- holds ---

    def place_hold(self, study: str) -> None:
        if study in self.holds:
            return
        wanted = WantedHold(HoldKind.LEGAL, HeldThing(HoldLevel.STUDY, study), "A case")
        now = self.product.clock()
        placed = self.product.catalog.write(lambda transaction: place(transaction, wanted, by=ROE, now=now))
        self.holds[study] = placed.id
        self.promises.on_hold.add(study)

    def end_hold(self, study: str) -> None:
        key = self.holds.pop(study, None)
        if key is None:
            return
        self.promises.on_hold.discard(study)
        now = self.product.clock()
        self.product.catalog.write(lambda transaction: end(transaction, key, "settled", by=ROE, now=now))

    def end(self) -> None:
        for study in list(self.holds):
            self.end_hold(study)
        self.remove_evicted()
        super().end()
        self._hold_law_9()
        self._hold_law_10()
