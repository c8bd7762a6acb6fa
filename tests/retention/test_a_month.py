"""A simulated month on a store: arrivals, reads, notes, an archive that fails, holds and recalls, and a server that
keeps the cache within its bounds. After every day no last copy is lost (law 9), and every eviction has its reason."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.last_use import Use, parts_of, write_uses
from kinote.catalog.schema.tables import (
    archive,
    instance,
    location,
    peer,
    retention_eviction,
    retention_unit,
    study,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.removing.removal import remove_remembered
from kinote.intake.receiver import Receiver
from kinote.lifecycle.holds.acts import WantedHold, end, place
from kinote.lifecycle.holds.hold import HeldThing, HoldKind, HoldLevel
from kinote.lifecycle.holds.membership import keys_on_hold
from kinote.notes.acts.make import make
from kinote.retention.headroom import Volume, cached_bytes
from kinote.retention.keeping import CacheKeeper
from kinote.retention.rules.rule import Action, Bounds, BoundsUnit, Conditions, Mode, Rule, RuleSet
from kinote.retention.rules.sets import save_rules
from kinote.retention.rules.unit import Part
from kinote.retention.shortfall import shortfall
from kinote.retention.units.following import UnitCounter
from kinote.storage.local import local_stores
from kinote.storage.stores import Stores
from tests.actors import ORIGIN, ROE
from tests.clock import clock
from tests.kept_bytes import kept_places
from tests.notes.sample_studies import flag, request
from tests.web.objects import as_file, image

#: Longer under scripts/soak.
pytestmark = pytest.mark.soak

DAYS = 120 if os.environ.get("KINOTE_SOAK") else 22
STUDIES_A_DAY = 2
IMAGES = 3

#: Bytes of the cache: some studies of three images of about 3 KB.
UPPER, LOWER = 60_000, 40_000

RULES = RuleSet(
    (
        Rule("key images", Action.KEEP_UNTIL, Conditions(part=Part.KEY_IMAGES), days=10),
        Rule("yesterday's", Action.KEEP_UNTIL, days=1),
    ),
    Bounds(BoundsUnit.BYTES, UPPER, LOWER),
    Mode.ON,
)


@dataclass
class Month:
    """A store, its archive, and what the days bring."""

    catalog: Catalog
    stores: Stores
    chance: random.Random
    now: datetime = field(default_factory=clock)
    number: int = 0
    receiver: Receiver = field(init=False)
    sent: dict[str, bytes] = field(default_factory=dict)
    holds: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.receiver = Receiver(self.catalog, self.stores, clock=lambda: self.now)
        self.keeper = CacheKeeper(
            self.catalog,
            lambda: self.now,
            node="here",
            volume=lambda: Volume(10**12, 10**12),
            remove_evicted=lambda: remove_remembered(self.catalog, self.stores),
        )
        self.counter = UnitCounter(self.catalog, lambda: self.now)

    def begin(self) -> None:
        def write(transaction: Connection) -> None:
            at = timestamp(self.now)
            transaction.execute(peer.insert(), {"id": 1, "name": "A", "added_at": at, "changed_at": at})
            transaction.execute(
                archive.insert(), {"peer": 1, "policy": "{}", "added_at": at, "proof": "proved"}
            )
            save_rules(transaction, RULES, expected=None, by=ROE, now=self.now)

        self.catalog.write(write)

    def arrivals(self) -> None:
        for _ in range(STUDIES_A_DAY):
            self.number += 1
            uid = f"1.7.{self.number}"
            for at in range(1, IMAGES + 1):
                self.receive(
                    image(
                        at,
                        StudyInstanceUID=uid,
                        SeriesInstanceUID=f"{uid}.1",
                        SOPInstanceUID=f"{uid}.1.{at}",
                        rows=40,
                        columns=40,
                    )
                )

    def receive(self, dataset: object) -> None:
        data = as_file(dataset)  # type: ignore[arg-type]
        upload = self.receiver.open(ORIGIN)
        upload.write(data)
        outcome = upload.finish().result(60)
        assert outcome.kind == "stored"
        self.sent[outcome.sop_instance_uid] = data

    def commitments(self) -> None:
        """The archive commits to what it has not committed to yet."""
        with self.catalog.read() as connection:
            known = select(location.c.instance)
            rows = connection.execute(
                select(instance.c.id, instance.c.digest).where(instance.c.id.not_in(known))
            ).all()
        at = timestamp(self.now)
        new = [
            {"instance": row.id, "archive": 1, "evidence": "committed", "at": at, "digest": row.digest}
            for row in rows
        ]
        if new:
            self.catalog.write(lambda transaction: transaction.execute(location.insert(), new))

    def suspend(self, since: str) -> None:
        self.catalog.write(
            lambda transaction: transaction.execute(archive.update().values(suspended_at=since))
        )

    def reads(self) -> None:
        hour = timestamp(self.now.replace(minute=0, second=0, microsecond=0))
        with self.catalog.read() as connection:
            keys = list(connection.execute(select(study.c.id)).scalars())
        uses = [Use(self.chance.choice(keys), "rest", "person", hour) for _ in range(2)]
        self.catalog.write(lambda transaction: write_uses(transaction, uses))

    def note(self) -> None:
        of = f"1.7.{self.chance.randint(1, self.number)}"
        wanted = request(flag(f"{of}.1.1"))
        self.catalog.write(
            lambda transaction: make(transaction, [wanted], study_instance_uid=of, by=ROE, now=self.now)
        )

    def hold(self) -> None:
        wanted = WantedHold(
            HoldKind.LEGAL, HeldThing(HoldLevel.STUDY, f"1.7.{self.chance.randint(1, self.number)}"), "A case"
        )
        placed = self.catalog.write(lambda transaction: place(transaction, wanted, by=ROE, now=self.now))
        self.holds.append(placed.id)

    def release(self) -> None:
        key = self.holds.pop()
        self.catalog.write(lambda transaction: end(transaction, key, "Settled", by=ROE, now=self.now))

    def recall(self) -> None:
        """One of the evicted images comes back, as it was."""
        with self.catalog.read() as connection:
            away = list(
                connection.execute(
                    select(instance.c.sop_instance_uid).where(instance.c.residence == "remote")
                ).scalars()
            )
        if away:
            upload = self.receiver.open(ORIGIN)
            upload.write(self.sent[self.chance.choice(sorted(away))])
            assert upload.finish().result(60).kind == "stored"

    def local(self) -> dict[int, tuple[int, str]]:
        """The place of each image whose bytes are here, by its key."""
        query = select(instance.c.id, instance.c.store, instance.c.file_key).where(
            instance.c.residence == "local", instance.c.file_key.is_not(None)
        )
        with self.catalog.read() as connection:
            return {row.id: (row.store, row.file_key) for row in connection.execute(query)}

    def keep(self) -> None:
        """Let the server look after its cache, and see that what it does is right."""
        self.counter.count_for_a_while()
        before = self.local()
        self.keeper.step()
        self.counter.catch_up()
        here = self.local()
        gone = before.keys() - here.keys()
        with self.catalog.read() as connection:
            # No last copy is lost: the archive has committed to exactly these bytes.
            kept_there = select(location.c.instance).where(location.c.digest == instance.c.digest)
            lost = select(instance.c.id).where(
                instance.c.residence == "remote", instance.c.id.not_in(kept_there)
            )
            assert connection.execute(lost).all() == []
            assert not keys_on_hold(connection, gone, self.now)
            assert not gone or connection.execute(select(archive.c.suspended_at)).scalar_one() == ""
            # Groups are whole.
            parts = parts_of(connection, before)
            assert not {parts[key] for key in gone} & {parts[key] for key in here}
            # Every eviction has its reason, and what stayed though a plan had it.
            rows = connection.execute(select(retention_eviction)).all()
            assert {row.instance for row in rows if row.outcome == "evicted"} >= gone
            assert all(row.reason for row in rows if row.outcome == "kept")
            assert {row.rule for row in rows} <= {"key images", "yesterday's", ""}
            # The bounds hold, or it is told that they cannot.
            assert cached_bytes(connection) <= UPPER or shortfall(connection) is not None
            counted = connection.execute(select(retention_unit.c.objects)).scalars()
            assert sum(counted) == len(here)
        assert kept_places(self.stores) == set(here.values())


@pytest.fixture
def month(catalog: Catalog, tmp_path: Path) -> Iterator[Month]:
    stores = local_stores(tmp_path / "data")
    made = Month(catalog, stores, random.Random(19))
    yield made
    made.receiver.close()
    stores.close()


def test_law_9_a_month_of_retention_loses_nothing_and_keeps_its_bounds(month: Month) -> None:
    month.begin()
    told = []
    for day in range(DAYS):
        month.now += timedelta(days=1)
        month.arrivals()
        fails = 10 <= day % 31 < 16
        month.suspend(timestamp(month.now) if fails else "")
        if not fails:
            month.commitments()
        month.reads()
        month.recall()
        if day % 3 == 0:
            month.note()
        if day % 31 == 5:
            month.hold()
        if day % 31 == 20:
            month.release()
        month.keep()
        with month.catalog.read() as connection:
            told.append(shortfall(connection) is not None)
    # While the archive fails the cache outgrows its bounds; when it is back, they hold again.
    assert told[15]
    assert not told[17]
    with month.catalog.read() as connection:
        rows = connection.execute(select(retention_eviction)).all()
    assert sum(row.outcome == "evicted" for row in rows) > DAYS * IMAGES
    assert any(row.recalled_at for row in rows)
