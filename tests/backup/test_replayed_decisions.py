"""What a decision about copies brought into use after a backup is not live after a restore (laws 1 and 4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kinote.backup import replaying
from kinote.backup.replaying import replay
from kinote.catalog.journal import Kind
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.journal.comparing import compare
from kinote.holdings.journal.keeping import Journal, read_all
from kinote.lifecycle.acts import SAFETY
from kinote.lifecycle.copies.choices import Choice
from kinote.lifecycle.held import HeldSelection
from kinote.notes.acts.rejection import reject
from kinote.notes.copies.issuing_again import issue_again
from tests.actors import ROE
from tests.clock import clock
from tests.lifecycle.rejected import image, live, receive, standings
from tests.notes.sample_studies import IMAGE, IMAGE_2, IMAGE_3, NOW, fill, later
from tests.notes.test_held_copies import choose, held_keys, hold, hold_laws


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Catalog, Catalog]]:
    """An index, and the backup of it, which both go on with the same journal."""
    with ExitStack() as closing:
        made = []
        for name in ("index", "backup"):
            writer = Journal(tmp_path / "journal", clock, lambda: "here")
            closing.callback(writer.close)
            url = f"sqlite:///{tmp_path / name}.db"
            catalog = Catalog(CatalogOptions(url), journal_writer=writer)
            closing.callback(catalog.close)
            fill(catalog)
            hold(catalog, IMAGE, IMAGE_2)
            catalog.write(lambda tx: reject(tx, [IMAGE_3], act=SAFETY, text="Wrong", by=ROE, now=NOW))
            made.append(catalog)
        yield made[0], made[1]


def test_law_1_what_came_into_use_after_the_backup_waits_for_a_person(
    two: tuple[Catalog, Catalog], tmp_path: Path
) -> None:
    index, backup = two
    choose(index, Choice.TAKE_SECOND, HeldSelection(instances=(IMAGE,)))
    new = set(choose(index, Choice.KEEP_BOTH).new_uids.values())
    issued = index.write(lambda tx: issue_again(tx, 1, text="It was right", by=ROE, now=later(NOW)))
    new |= set(issued.new_uids.values())
    assert new < set(live(index))
    replayed = replay(backup, read_all(tmp_path / "journal").entries, NOW)
    assert {each["kind"] for each in replayed.left} == {Kind.COPY_CHOSEN, Kind.ISSUED_AGAIN}
    found = hold_laws(backup)
    assert not {IMAGE, IMAGE_3, *new} & set(found)
    assert IMAGE_2 in found
    assert len(held_keys(backup)) == 2
    # Others may send what they were given under the new UIDs.
    for uid in new:
        receive(backup, image(uid))
        assert standings(backup)[uid] == "withdrawn"
    assert compare(backup, tmp_path / "journal") == []


def test_breach_of_law_1_decisions_that_are_not_looked_at_are_noticed(
    two: tuple[Catalog, Catalog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "_hide", lambda *_: None)
    with pytest.raises(AssertionError):
        test_law_1_what_came_into_use_after_the_backup_waits_for_a_person(two, tmp_path)
