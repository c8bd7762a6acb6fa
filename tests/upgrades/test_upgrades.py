"""Filled databases of every schema that has landed, brought up to date: everything in them is as it was."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import MetaData, select, text

from kinote.catalog.nodes import Node
from kinote.catalog.schema.migrations import configuration
from kinote.catalog.schema.tables import metadata
from kinote.catalog.sql import dialects
from kinote.holdings.last_use import LastUse
from kinote.holdings.scrubbing.slow_scrub import SlowScrub
from kinote.storage.digests import BLAKE3
from tests.actors import ROE
from tests.clock import clock
from tests.databases import PostgresServer
from tests.laws.acts import Acts, Asked
from tests.laws.arrivals import FIRST, LARGE, OTHER, SECOND, STUDIES, Image, KeyObject, flag, image_uid
from tests.laws.audit import hold_all, hold_feed, hold_instance
from tests.laws.day import IN_THE_INDEX, OF_A_REVISED_NOTE, WITHDRAWN
from tests.laws.product import Product
from tests.upgrades.written_down import acts_of, pour, put_files, read_back

#: What landed, each with what was written down of it. (A schema that only a branch ever had is none.)
LANDED = {"0001": "rows_0001.json", "0007": "rows_0007.json"}

#: What is said of the index itself changes with it, and what was owed is done when it is opened.
OF_THE_INDEX = {"house", "owed_removal"}


@dataclass
class Old:
    """A database of an older schema with its data directory, not yet opened by this version."""

    url: str
    data: Path
    written: dict[str, Any]

    def open(self) -> Acts:
        return acts_of(Product(self.url, self.data), self.written)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows that were written down, with the columns of then."""
        engine = dialects.engine_for(self.url, pool_size=1)
        there = MetaData()
        found = {}
        with engine.connect() as connection:
            there.reflect(connection, only=list(self.written["tables"]))
            for name, rows in self.written["tables"].items():
                if rows and name not in OF_THE_INDEX:
                    columns = [there.tables[name].c[column] for column in rows[0]]
                    found[name] = sorted(map(tuple, connection.execute(select(*columns))), key=repr)
        engine.dispose()
        return found


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'kinote.sqlite'}"
        return
    server: PostgresServer = request.getfixturevalue("postgresql_server")
    name = f"old_{uuid.uuid4().hex}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture(params=sorted(LANDED))
def old(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Old:
    made = Old(url, tmp_path, read_back(Path(__file__).parent / LANDED[request.param]))
    engine = dialects.engine_for(url, pool_size=1)
    config = configuration()
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, request.param)
        pour(connection, made.written)
    engine.dispose()
    put_files(made.data, made.written)
    return made


@pytest.fixture
def upgraded(old: Old) -> Iterator[Acts]:
    acts = old.open()
    yield acts
    acts.product.close()


def test_every_row_is_as_it_was(old: Old) -> None:
    before = old.rows()
    assert {"instance", "finding", "note_version", "withdrawal", "change"} < before.keys()
    old.open().product.close()
    assert old.rows() == before


def test_all_laws_hold_in_an_upgraded_product(old: Old, upgraded: Acts) -> None:
    """The live view, notes, held copies, counts, findings, every way out, and the file that was to be removed."""
    hold_all(upgraded)
    hold_feed(upgraded)
    for uid in upgraded.model.objects:
        hold_instance(upgraded, uid)
    assert upgraded.model.held
    found = {item["sop_instance_uid"] for item in upgraded.product.items("findings", severity="info")}
    assert found == {
        row["sop_instance_uid"]
        for row in old.written["tables"]["instance"]
        if row["standing"] == "live"
        and row["id"] in {each["instance"] for each in old.written["tables"]["finding"]}
    }


def test_life_goes_on_in_an_upgraded_product(upgraded: Acts) -> None:
    """What was known is known, what differs is held, keys that were handed out mean nothing else."""
    upgraded.receive(Image(FIRST, 1))
    upgraded.receive(Image(SECOND, LARGE), Image(SECOND, LARGE + 10), Image(FIRST, 1, content=7))
    upgraded.receive(KeyObject(OTHER, 9, (flag(image_uid(OTHER, 1)),), text="after the upgrade"))
    upgraded.send_back(IN_THE_INDEX)
    upgraded.discard(0)
    made = upgraded.make(Asked((OF_A_REVISED_NOTE, image_uid(SECOND, LARGE)), "after the upgrade"))
    assert made is not None
    upgraded.revise(made, Asked((OF_A_REVISED_NOTE,), "and revised"))
    upgraded.undo(max(upgraded.withdrawal_keys))
    upgraded.withdraw(WITHDRAWN, image_uid(SECOND, 1))
    hold_all(upgraded, STUDIES)
    hold_feed(upgraded)
    upgraded.product.restart()
    hold_all(upgraded, STUDIES)


def test_an_upgraded_product_says_when_it_was_used_and_is_scrubbed(old: Old, upgraded: Acts) -> None:
    product = upgraded.product
    uses = LastUse(product.catalog, clock)
    for row in product.rows("SELECT id FROM instance"):
        uses.note(row.id, ROE)
    uses.write()
    used = product.rows("SELECT DISTINCT study, part FROM last_use")
    assert {row.part for row in used} == {"flagged", "rest"}
    assert {row.study for row in used} == {row.study for row in product.rows("SELECT study FROM instance")}
    node = Node(product.catalog, "here", clock)
    slow = SlowScrub(
        product.catalog,
        product.stores,
        clock,
        node=node.id,
        within=timedelta(days=30),
        store_is_there=lambda _: True,
        wait=lambda seconds: False,
    )
    while not product.rows("SELECT id FROM scrub_pass WHERE ended_at IS NOT NULL"):
        slow.step()
    node.close()
    local = product.rows("SELECT id, digest_algorithm FROM instance WHERE residence = 'local'")
    assert {row.digest_algorithm for row in local} == {BLAKE3}
    (done,) = product.rows("SELECT objects, renewed, damaged FROM scrub_pass")
    newest = {row["id"] for row in old.written["tables"]["instance"] if row.get("digest_algorithm") == BLAKE3}
    of_before = {row.id for row in local} - newest
    assert (done.objects, done.renewed, done.damaged) == (len(local), len(of_before), 0)


def test_an_upgraded_product_says_who_withdrew_what_and_where_it_came_from(upgraded: Acts) -> None:
    (copy,) = upgraded.product.get(f"/api/v1/instances/{WITHDRAWN}/explain")["items"]
    assert {each["by"]["name"] for each in copy["withdrawals"]} == {"roe"}
    assert any(sentence.startswith("Withdrawn by roe at ") for sentence in copy["sentences"])
    assert (copy["received_from"], copy["brought_by"]) == ("test", None)


def test_an_upgraded_product_has_one_current_row_for_each_uid(upgraded: Acts) -> None:
    rows = upgraded.product.rows("SELECT standing, is_current, sop_instance_uid AS uid FROM instance")
    assert {(row.standing == "held", bool(row.is_current)) for row in rows} == {(True, False), (False, True)}
    current = [row.uid for row in rows if row.is_current]
    assert sorted(current) == sorted(upgraded.model.objects)


@pytest.mark.parametrize(
    "lost",
    [
        "UPDATE instance SET is_current = NOT is_current WHERE standing = 'live'",
        "UPDATE instance SET standing = 'live' WHERE standing = 'withdrawn'",
        "DELETE FROM note_study",
        "DELETE FROM instance_bytes",
    ],
)
def test_breach_of_the_laws_by_an_upgrade_is_noticed(upgraded: Acts, lost: str) -> None:
    upgraded.product.catalog.write(lambda transaction: transaction.execute(text(lost)))
    with pytest.raises(AssertionError):
        hold_all(upgraded)


def test_what_was_written_down_is_of_tables_there_are(old: Old) -> None:
    assert old.written["tables"].keys() <= metadata.tables.keys()
