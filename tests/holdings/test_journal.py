"""The journal of rare acts: what is committed is in it, and what is not is marked (docs/backup.md)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from kinote.catalog import journal
from kinote.catalog.journal import DIRECTIONS, JournalUnavailableError, Kind
from kinote.catalog.schema.tables import metadata
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.journal.beginning import begin
from kinote.holdings.journal.comparing import compare
from kinote.holdings.journal.keeping import Journal, end_left, read_all
from kinote.lifecycle.acts import ACTS, QUALITY, SAFETY
from kinote.lifecycle.copies.choices import Choice
from kinote.lifecycle.held import HeldSelection
from kinote.lifecycle.holds.acts import WantedHold, end, place
from kinote.lifecycle.holds.hold import HeldThing, HoldKind, HoldLevel
from kinote.lifecycle.withdrawals.withdrawal import undo, withdraw
from kinote.notes.copies.issuing_again import issue_again
from kinote.storage.journal_files import journal_files
from tests.actors import ROE
from tests.clock import clock
from tests.laws.acts import Acts
from tests.laws.conftest import open_postgresql_product, open_product, open_sqlite_product  # noqa: F401
from tests.laws.day import a_day
from tests.laws.product import Product
from tests.notes.sample_studies import IMAGE, IMAGE_2, IMAGE_3, fill
from tests.notes.test_held_copies import choose, hold

#: The tables whose rows an act of the journal makes, and all others, of which the journal says nothing and why. A
#: new table stands in one of them.
JOURNALED = {
    "commitment_given",
    "copy_decision",
    "decided_copy",
    "hold",
    "journal_entry",
    "purge",
    "withdrawal",
    "withdrawal_target",
}
NOT_JOURNALED = {
    "what was received, and is in the files themselves": {
        "finding",
        "instance",
        "instance_bytes",
        "instance_metadata",
        "instance_pieces",
        "key_object",
        "key_object_request",
        "note",
        "note_modifier",
        "note_reference",
        "note_study",
        "note_version",
        "patient",
        "patient_conflict",
        "proposed_correction",
        "proposed_correction_copy",
        "series",
        "study",
    },
    "corrections, which there are none of yet": {"received_value"},
    "made again from the others, or of this server": {
        "alert",
        "alert_told",
        "answered_request",
        "awaited_key_object",
        "backup",
        "change",
        "commit_mark",
        "house",
        "job",
        "job_event",
        "job_failed_object",
        "job_queue",
        "last_use",
        "node",
        "node_turn",
        "owed_availability",
        "owed_removal",
        "refused_arrival",
        "retention_hour",
        "retention_unit",
        "retention_unit_archive",
        "scrub_pass",
        "route_result",
        "route_wait",
        "routed_object",
        "settings_row",
        "store",
    },
    "who may do what, and who did what: in a backup only": {
        "api_token",
        "audit_chunk",
        "audit_entry",
        "openid_identity",
        "sign_in_session",
        "user_account",
    },
    "what became of held copies, which are not in use, and what other systems have: in a backup only": {
        "awaited_key_object",
        "copy_decision",
        "decided_copy",
        "migrated_note",
        "patient_conflict",
        "proposed_correction",
        "proposed_correction_copy",
    },
    "what people have set up, how deliveries went, and what is fetched or read in place: in a backup only": {
        "alert_channel",
        "archive",
        "commitment_asked",
        "commitment_asked_instance",
        "alert_told",
        "delivery",
        "fetch",
        "fetched_series",
        "folder_scan",
        "followed_peer",
        "followed_study",
        "in_place_folder",
        "retention_eviction",
        "retention_plan",
        "retention_plan_item",
        "retention_rules",
        "delivery_object",
        "destination",
        "endpoint",
        "location",
        "outgoing_delivery",
        "peer",
        "rejection_note",
        "route",
        "told_availability",
        "user_account",
        "api_token",
        "sign_in_session",
    },
    "what was asked for and has not been done: a person asks again": {"withdrawal_request"},
    "what other systems had, and is imported from them again": {"migrated_note"},
    "the audit trail, which is a journal of its own": {"audit_chunk", "audit_entry"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journaled(database_url: str, folder: Path) -> Iterator[Catalog]:
    """A catalog with a journal, on each kind of database."""
    writer = Journal(folder, clock, lambda: "here")
    catalog = Catalog(CatalogOptions(database_url), journal_writer=writer)
    yield catalog
    catalog.close()
    writer.close()


def withdraw_these(*uids: str) -> Callable[[Connection], int]:
    return lambda transaction: withdraw(transaction, uids, act=QUALITY, text="blurred", by=ROE, now=clock())


def test_each_table_is_in_the_journal_or_says_why_not() -> None:
    said = JOURNALED.union(*NOT_JOURNALED.values())
    assert said == set(metadata.tables)


def test_each_kind_of_entry_says_what_it_does() -> None:
    assert set(DIRECTIONS) == set(Kind)


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_each_act_is_in_the_journal(journaled: Catalog, folder: Path, act: object) -> None:
    key = journaled.write(
        lambda transaction: withdraw(transaction, ["1.2", "1.3"], act=act, text="why", by=ROE, now=clock())  # type: ignore[arg-type]
    )
    (entry,) = read_all(folder).entries
    assert (entry["kind"], entry["act"], entry["withdrawal"]) == (Kind.WITHDRAWN, str(act), key)
    assert (entry["uids"], entry["text"], entry["by"][1]) == (["1.2", "1.3"], "why", ROE.name)
    assert compare(journaled, folder) == []


def test_a_hold_and_its_end_are_in_the_journal(database_url: str, journaled: Catalog, folder: Path) -> None:
    begin(journaled, folder, clock())
    thing = HeldThing(HoldLevel.PATIENT, patient_id="P1", issuer="HIS")
    wanted = WantedHold(HoldKind.LEGAL, thing, "A case is open")
    ends, _stays = (
        journaled.write(lambda transaction: place(transaction, wanted, by=ROE, now=clock())) for _ in range(2)
    )
    journaled.write(lambda transaction: end(transaction, ends.id, "settled", by=ROE, now=clock()))
    entries = read_all(folder).entries
    assert [each["kind"] for each in entries] == [Kind.HOLD_PLACED, Kind.HOLD_PLACED, Kind.HOLD_ENDED]
    assert (entries[0]["patient_id"], entries[0]["issuer"], entries[0]["reason"]) == (
        "P1",
        "HIS",
        "A case is open",
    )
    assert entries[2]["hold"] == entries[0]["hold"] != entries[1]["hold"]
    assert compare(journaled, folder) == []
    # If the files are lost, the next start writes them again from the index.
    for file in journal_files(folder):
        file.unlink()
    writer = Journal(folder, clock, lambda: "here")
    catalog = Catalog(CatalogOptions(database_url), journal_writer=writer)
    begin(catalog, folder, clock())
    again = read_all(folder).entries
    assert sorted(each["kind"] for each in again) == sorted(each["kind"] for each in entries)
    assert compare(catalog, folder) == []
    catalog.close()
    writer.close()


def test_a_bulk_withdrawal_has_an_entry_for_each_chunk(journaled: Catalog, folder: Path) -> None:
    uids = [f"1.2.{number}" for number in range(2 * journal.CHUNK + 1)]
    journaled.write(withdraw_these(*uids))
    entries = read_all(folder).entries
    assert sorted(len(each["uids"]) for each in entries) == [1, journal.CHUNK, journal.CHUNK]
    assert sorted(uid for each in entries for uid in each["uids"]) == sorted(uids)


def test_what_fails_is_not_in_the_journal(journaled: Catalog, folder: Path) -> None:
    def failing(transaction: Connection) -> None:
        withdraw_these("1.9")(transaction)
        raise ValueError("no")

    kept = journaled.submit(withdraw_these("1.2"))
    with pytest.raises(ValueError, match="no"):
        journaled.write(failing)
    kept.result()
    assert [each["uids"] for each in read_all(folder).entries] == [["1.2"]]
    assert compare(journaled, folder) == []


def test_what_is_rolled_back_after_it_was_written_is_marked(
    database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Journal(folder, clock, lambda: "here")
    write = writer.write

    def write_and_fail(entries: list[journal.Entry]) -> None:
        write(entries)
        raise ValueError("after the journal was written")

    monkeypatch.setattr(writer, "write", write_and_fail)
    catalog = Catalog(CatalogOptions(database_url), journal_writer=writer)
    with pytest.raises(ValueError, match="after the journal"):
        catalog.write(withdraw_these("1.2"))
    assert b"1.2" in journal_files(folder)[0].read_bytes()
    assert read_all(folder).entries == []
    catalog.close()


def test_an_act_whose_entry_cannot_be_written_is_not_done(journaled: Catalog, folder: Path) -> None:
    folder.write_text("in the way")
    with pytest.raises(JournalUnavailableError, match="journal"):
        journaled.write(withdraw_these("1.2"))
    with journaled.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM withdrawal")).scalar_one() == 0
    folder.unlink()
    journaled.write(withdraw_these("1.2"))
    assert len(read_all(folder).entries) == 1


def test_nothing_is_written_to_a_journal_that_was_removed(
    database_url: str, journaled: Catalog, folder: Path, tmp_path: Path
) -> None:
    begin(journaled, folder, clock())
    key = journaled.write(withdraw_these("1.2"))
    journaled.write(lambda transaction: undo(transaction, key, by=ROE, now=clock()))
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(JournalUnavailableError, match="not there any more"):
        journaled.write(withdraw_these("1.3"))
    (tmp_path / "elsewhere").rename(folder)
    journaled.write(withdraw_these("1.3"))
    assert compare(journaled, folder) == []
    # If it does not come back, the next start writes it again. Later it may: nothing in it is new to the index.
    folder.rename(tmp_path / "elsewhere")
    writer = Journal(folder, clock, lambda: "here")
    catalog = Catalog(CatalogOptions(database_url), journal_writer=writer)
    begin(catalog, folder, clock())
    assert compare(catalog, folder) == []
    for file in journal_files(tmp_path / "elsewhere"):
        file.rename(folder / file.name)
    assert compare(catalog, folder) == []
    catalog.close()
    writer.close()


def test_a_file_keeps_its_order_where_the_clock_was_set_back(folder: Path) -> None:
    moments = ["2026-11-30T12", "2026-11-30T11", "2026-11-30T13"]
    writer = Journal(folder, clock, lambda: "here")
    for each in moments:
        writer.write([journal.Entry(each, {"kind": "withdrawn", "at": each})])
    writer.close()
    assert [each["at"] for each in read_all(folder).entries] == moments


def test_an_entry_is_synced_before_the_commit(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "journal"
    seen: list[int] = []
    writer = Journal(folder, clock, lambda: "here")
    catalog = Catalog(CatalogOptions(sqlite_url), journal_writer=writer)
    sync = os.fdatasync

    def look(descriptor: int) -> None:
        sync(descriptor)
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(folder):
            with catalog.read() as connection:
                seen.append(connection.execute(text("SELECT count(*) FROM withdrawal")).scalar_one())

    monkeypatch.setattr(os, "fdatasync", look)
    catalog.write(withdraw_these("1.2"))
    # At the sync nobody else sees the act yet.
    assert seen == [0]
    catalog.close()


def test_what_a_crash_left_is_taken_back_if_the_index_does_not_know_it(
    journaled: Catalog, folder: Path
) -> None:
    crashed = Journal(folder, clock, lambda: "here")
    crashed.write([journal.Entry("never committed", {"kind": "withdrawn", "at": "2026", "uids": ["1.5"]})])
    assert [each["uids"] for each in read_all(folder).entries] == [["1.5"]]
    # Somebody writes to it: it is left alone.
    assert end_left(folder, journaled, "here") == 0
    crashed._files._leave()
    with journal_files(folder)[0].open("ab") as file:
        file.write(b'{"check":"0000')
    assert end_left(folder, journaled, "here") == 1
    assert read_all(folder).entries == []
    assert read_all(folder).faults == []
    assert end_left(folder, journaled, "here") == 0


def test_a_damaged_line_is_named_and_harms_no_other(journaled: Catalog, folder: Path) -> None:
    for uid in ("1.2", "1.3", "1.4"):
        journaled.write(withdraw_these(uid))
    (file,) = journal_files(folder)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"1.3", b"1.7")
    file.write_bytes(b"".join(lines))
    read = read_all(folder)
    assert [each["uids"] for each in read.entries] == [["1.2"], ["1.4"]]
    assert "line 3" in read.faults[0]
    assert "line 3" in compare(journaled, folder)[0].sentence


def decide_about_copies(catalog: Catalog) -> int:
    """Take a held copy in place of the first, keep another beside it, and issue a withdrawn image again."""
    hold(catalog, IMAGE, IMAGE_2)
    for choice, uid in ((Choice.TAKE_SECOND, IMAGE), (Choice.KEEP_BOTH, IMAGE_2)):
        choose(catalog, choice, HeldSelection(instances=(uid,)))
    hold(catalog, IMAGE_3)
    choose(catalog, Choice.KEEP_FIRST)
    key = catalog.write(
        lambda tx: withdraw(tx, [IMAGE_3], act=SAFETY, text="By mistake", by=ROE, now=clock())
    )
    catalog.write(lambda tx: issue_again(tx, key, text="It was right", by=ROE, now=clock()))
    return key


def test_decisions_that_bring_copies_into_use_are_in_the_journal(journaled: Catalog, folder: Path) -> None:
    fill(journaled)
    key = decide_about_copies(journaled)
    entries = read_all(folder).entries
    chosen = [each["became"] for each in entries if each["kind"] == Kind.COPY_CHOSEN]
    assert [{uid: [way for way, _ in became] for uid, became in each.items()} for each in chosen] == [
        {IMAGE: ["in place of the first"]},
        {IMAGE_2: ["under a new UID"]},
    ]
    (again,) = [each for each in entries if each["kind"] == Kind.ISSUED_AGAIN]
    assert (again["withdrawal"], again["by"][1], again["uids"]) == (key, ROE.name, [IMAGE_3])
    assert [each["uids"] for each in entries if each["kind"] == Kind.PURGED] == [[IMAGE_3]]
    assert compare(journaled, folder) == []
    journaled.write(lambda tx: tx.execute(text("UPDATE decided_copy SET new_sop_instance_uid = '1.9'")))
    assert {each.subject for each in compare(journaled, folder)} == {"issued as 1.9"}


def test_decisions_of_before_the_journal_are_written_into_it(database_url: str, folder: Path) -> None:
    catalog = Catalog(CatalogOptions(database_url))
    fill(catalog)
    decide_about_copies(catalog)
    catalog.close()
    writer = Journal(folder, clock, lambda: "here")
    catalog = Catalog(CatalogOptions(database_url), journal_writer=writer)
    begin(catalog, folder, clock())
    assert compare(catalog, folder) == []
    catalog.close()
    writer.close()


def test_acts_of_before_the_journal_are_written_into_it(database_url: str, folder: Path) -> None:
    catalog = Catalog(CatalogOptions(database_url))
    key = catalog.write(withdraw_these("1.2"))
    catalog.write(withdraw_these("1.3"))
    catalog.write(lambda transaction: undo(transaction, key, by=ROE, now=clock()))
    catalog.close()
    writer = Journal(folder, clock, lambda: "here")
    catalog = Catalog(CatalogOptions(database_url), journal_writer=writer)
    begin(catalog, folder, clock())
    begin(catalog, folder, clock())
    assert [each["kind"] for each in read_all(folder).entries].count(Kind.WITHDRAWN) == 2
    assert compare(catalog, folder) == []
    for file in journal_files(folder):
        file.unlink()
    assert compare(catalog, folder)
    writer.close()
    begin(catalog, folder, clock())
    # What it knew of single acts is gone; what holds is there again.
    assert {each["uids"][0] for each in read_all(folder).entries if each["uids"]} == {"1.2", "1.3"}
    catalog.close()


@pytest.fixture
def day(open_product: object, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acts]:  # noqa: F811
    """A product in which something of every kind has been done, with a journal."""
    writer = Journal(folder, clock, lambda: "here")
    opened = Product._open

    def journaling(self: Product) -> None:
        opened(self)
        self.catalog._journal = writer

    monkeypatch.setattr(Product, "_open", journaling)
    with open_product() as acts:  # type: ignore[operator]
        a_day(acts)
        yield acts
    writer.close()


def test_a_day_is_in_the_journal(day: Acts, folder: Path) -> None:
    assert compare(day.product.catalog, folder) == []
    assert len(read_all(folder).entries) > 5


def test_breach_of_the_journal_an_act_that_does_not_join_is_noticed(day: Acts, folder: Path) -> None:
    day.product.catalog.write(
        lambda transaction: transaction.execute(
            text("UPDATE withdrawal SET undone_at = '2026-11-30' WHERE id = (SELECT min(id) FROM withdrawal)")
        )
    )
    (difference,) = compare(day.product.catalog, folder)
    assert difference.subject.startswith("withdrawal")
