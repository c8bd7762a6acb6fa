"""Backup and restore: everything up to the backup comes back, and nothing that was rejected becomes live."""

from __future__ import annotations

import shutil
import stat
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from kinote.backup.making import make_backup
from kinote.backup.replaying import replay
from kinote.backup.running import BackupOptions, Backups
from kinote.catalog import changes
from kinote.catalog.schema.tables import api_token, sign_in_session, user_account
from kinote.holdings.journal.comparing import compare
from kinote.holdings.journal.keeping import Journal
from kinote.lifecycle.acts import RETENTION_EXPIRED, WRONG_PATIENT, Act
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.lifecycle.owed.recording import record_given
from kinote.lifecycle.withdrawals.withdrawal import undo
from kinote.notes.acts.rejection import reject
from kinote.notes.acts.undo_windows import close_window
from kinote.storage.journal_files import journal_folder
from kinote.storage.local import store_roots
from tests.actors import ROE
from tests.backup.day import (
    INSTALLATION,
    Day,
    explained,
    fed,
    journaling,
    live,
    restored,
    rows,
    shorten,
    silent,
    source_of,
)
from tests.clock import clock
from tests.laws.acts import Acts
from tests.laws.arrivals import FIRST, LARGE, SECOND, Image, image_uid
from tests.laws.conftest import OpenProduct
from tests.laws.day import a_day
from tests.laws.product import Product


def test_everything_comes_back(day: Day, tmp_path: Path) -> None:
    made = day.backup()
    assert made.left_out == ()
    before, news, stored = rows(day.product), fed(day.product), day.product.stored_bytes()
    found, product = restored(day, tmp_path / "restored")
    try:
        assert (found.missing, found.left, found.hidden) == ([], [], {})
        assert rows(product) == before
        assert fed(product) == news
        assert product.stored_bytes() == stored
        assert compare(product.catalog, journal_folder(product.data)) == []
        # Keys go on after the greatest that was ever given, and everything can be done that could be done.
        acts = Acts(product)
        acts.model, acts.withdrawal_keys = day.acts.model, day.acts.withdrawal_keys
        product.receive([Image(SECOND, 9).file])
        assert product.get(f"/dicomweb/instances?SOPInstanceUID={image_uid(SECOND, 9)}")
    finally:
        product.close()


def test_there_and_back_is_the_same(
    open_sqlite_product: OpenProduct,
    empty_postgresql: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Product, "_open", journaling(Product._open))
    with open_sqlite_product() as acts:
        a_day(acts)
        day = Day(acts, tmp_path / "backups")
        day.backup()
        before, news, stored = rows(day.product), fed(day.product), day.product.stored_bytes()
        _, product = restored(day, tmp_path / "there", empty_postgresql)
    there = Day(Acts(product), tmp_path / "backups there")
    assert (rows(product), fed(product), product.stored_bytes()) == (before, news, stored)
    assert compare(product.catalog, journal_folder(product.data)) == []
    product.receive([Image(SECOND, 9).file])
    before = rows(product)
    make_backup(source_of(product), there.location, clock, silent, has_images=True)
    product.close()
    _, product = restored(there, tmp_path / "back")
    try:
        assert rows(product) == before
    finally:
        product.close()


def test_positions_of_before_are_refused(sqlite_day: Day, tmp_path: Path) -> None:
    sqlite_day.backup()
    position = sqlite_day.product.changes()[-1].position
    _, product = restored(sqlite_day, tmp_path / "restored")
    try:
        answer = product.client.get("/api/v1/changes", params={"since": position})
        assert (answer.status_code, answer.json()["title"]) == (410, "The change feed has begun anew")
        goes_on = {"Accept": "text/event-stream", "Last-Event-ID": position}
        answer = product.client.get("/api/v1/changes", headers=goes_on)
        assert (answer.status_code, answer.json()["title"]) == (410, "The change feed has begun anew")
        assert product.changes()[-1].position.startswith("1-")
        with product.catalog.read() as connection:
            assert changes.end(connection).epoch == 1
    finally:
        product.close()


@pytest.mark.parametrize("has_journal", [True, False], ids=["with journal", "without journal"])
def test_law_1_nothing_rejected_after_the_backup_becomes_live(
    sqlite_day: Day, has_journal: bool, tmp_path: Path
) -> None:
    sqlite_day.backup()
    gone = [image_uid(FIRST, LARGE)]
    sqlite_day.acts.receive(Image(SECOND, 7))
    sqlite_day.acts.withdraw(*gone)
    sqlite_day.acts.withdraw(image_uid(SECOND, 7))
    data = tmp_path / "restored"
    shutil.copytree(sqlite_day.product.data, data, ignore=shutil.ignore_patterns("kinote.sqlite*"))
    if not has_journal:
        shutil.rmtree(journal_folder(data))
    found, product = restored(sqlite_day, data)
    try:
        if has_journal:
            assert found.hidden == {"withdrawn": 2}
            assert not live(product) & {*gone, image_uid(SECOND, 7)}
            assert compare(product.catalog, journal_folder(data)) == []
        else:
            # Of what the backup knows as live, nobody can know; what it does not know waits for a person.
            assert not live(product) & {image_uid(SECOND, 7)}
        assert explained(product, image_uid(SECOND, 7))["standing"] == "withdrawn"
        (adopted,) = found.adopted["withdrawals"]
        assert adopted["instances"] == 1
    finally:
        product.close()


def test_law_1_the_copy_of_the_journal_keeps_what_was_rejected_after_the_backup(
    sqlite_day: Day, tmp_path: Path
) -> None:
    sqlite_day.backup()
    uid = image_uid(FIRST, LARGE)
    sqlite_day.acts.withdraw(uid)
    making = Backups(source_of(sqlite_day.product), BackupOptions(sqlite_day.location), clock, "")
    making.step()
    # Nothing of the data directory is left.
    found, product = restored(sqlite_day, tmp_path / "restored")
    try:
        assert found.hidden == {"withdrawn": 1}
        assert uid not in live(product)
    finally:
        product.close()


def test_breach_of_law_1_a_journal_that_is_not_replayed_is_noticed(sqlite_day: Day, tmp_path: Path) -> None:
    sqlite_day.backup()
    sqlite_day.acts.withdraw(image_uid(FIRST, LARGE))
    data = tmp_path / "restored"
    shutil.copytree(sqlite_day.product.data, data, ignore=shutil.ignore_patterns("kinote.sqlite*"))
    shutil.move(journal_folder(data), tmp_path / "journal")
    _, product = restored(sqlite_day, data)
    try:
        assert image_uid(FIRST, LARGE) in live(product)
        assert any(
            "does not know this act" in each.sentence
            for each in compare(product.catalog, tmp_path / "journal")
        )
    finally:
        product.close()


def test_what_was_undone_after_the_backup_waits_for_a_person(sqlite_day: Day, tmp_path: Path) -> None:
    uid = image_uid(FIRST, LARGE)
    sqlite_day.acts.withdraw(uid)
    which = max(sqlite_day.acts.withdrawal_keys)
    key = sqlite_day.acts.withdrawal_keys[which]
    sqlite_day.backup()
    sqlite_day.acts.undo(which)
    data = tmp_path / "restored"
    shutil.copytree(sqlite_day.product.data, data, ignore=shutil.ignore_patterns("kinote.sqlite*"))
    found, product = restored(sqlite_day, data)
    try:
        assert [(each["kind"], each["withdrawal"]) for each in found.left] == [("withdrawal undone", key)]
        assert uid not in live(product)
        product.catalog._journal = Journal(journal_folder(data), clock, lambda: INSTALLATION)
        assert product.client.request("DELETE", f"/api/v1/withdrawals/{key}").status_code == 200
        assert uid in live(product)
        assert compare(product.catalog, journal_folder(data)) == []
    finally:
        product.close()


WINDOW = timedelta(hours=1)


def reject_it(product: Product, uid: str, act: Act = WRONG_PATIENT) -> int:
    """Withdraw an instance as a person does, with an undo window."""
    return product.catalog.write(
        lambda transaction: reject(
            transaction, [uid], act=act, text="why", by=ROE, now=clock(), undo_window=WINDOW
        )
    )


def told(product: Product, key: int) -> tuple[bool, str, int]:
    """Whether the window of a withdrawal has closed, its rejection note, and how many there are."""
    ((closed_at, note),) = product.rows(
        f"SELECT closed_at, rejection_note_uid FROM withdrawal WHERE id = {key}"  # noqa: S608 - a number of ours
    )
    ((number,),) = product.rows(f"SELECT count(*) FROM rejection_note WHERE withdrawal = {key}")  # noqa: S608 - a number of ours
    return closed_at is not None, note, number


@pytest.mark.parametrize("was_told", [True, False], ids=["told", "not told"])
def test_law_4_others_are_told_of_what_only_the_journal_knows(
    was_told: bool, sqlite_day: Day, tmp_path: Path
) -> None:
    product, uid = sqlite_day.product, image_uid(FIRST, LARGE)
    product.catalog.write(
        lambda transaction: record_given(
            transaction,
            [Given(uid, Receiver(address="CT9"), State.GIVEN, "0000H", "C-STORE", clock())],
        )
    )
    sqlite_day.backup()
    key = reject_it(product, uid)
    if was_told:
        product.catalog.write(lambda transaction: close_window(transaction, key, now=clock()))
    Backups(source_of(product), BackupOptions(sqlite_day.location), clock, "").step()
    found, product = restored(sqlite_day, tmp_path / "restored")
    try:
        assert uid not in live(product)
        is_closed, note, number = told(product, key)
        assert (is_closed, bool(note), number) == (was_told, was_told, 1)
        owed = product.rows(f"SELECT address FROM delivery WHERE state = 'owed' AND withdrawal = {key}")  # noqa: S608 - a number of ours
        assert owed == [("CT9",)]
        undone = product.client.request("DELETE", f"/api/v1/withdrawals/{key}").status_code
        assert undone == (409 if was_told else 200)
        assert found.left == []
        if was_told:
            assert compare(product.catalog, journal_folder(product.data)) == []
    finally:
        product.close()


def test_what_others_were_told_of_stays_so_if_the_instance_is_not_known(
    sqlite_day: Day, tmp_path: Path
) -> None:
    sqlite_day.backup()
    uid = image_uid(SECOND, 5)
    sqlite_day.acts.receive(Image(SECOND, 5))
    key = reject_it(sqlite_day.product, uid)
    sqlite_day.product.catalog.write(lambda transaction: close_window(transaction, key, now=clock()))
    Backups(source_of(sqlite_day.product), BackupOptions(sqlite_day.location), clock, "").step()
    found, product = restored(sqlite_day, tmp_path / "restored")
    try:
        assert told(product, key) == (*told(sqlite_day.product, key)[:2], 0)
        assert [(each["kind"], each["withdrawal"]) for each in found.left] == [("withdrawn", key)]
        assert product.client.request("DELETE", f"/api/v1/withdrawals/{key}").status_code == 409
    finally:
        product.close()


def test_law_4_nobody_is_told_of_what_was_undone_after_the_backup(sqlite_day: Day, tmp_path: Path) -> None:
    key = reject_it(sqlite_day.product, image_uid(FIRST, LARGE))
    sqlite_day.backup()
    sqlite_day.product.catalog.write(lambda transaction: undo(transaction, key, by=ROE, now=clock()))
    Backups(source_of(sqlite_day.product), BackupOptions(sqlite_day.location), clock, "").step()
    found, product = restored(sqlite_day, tmp_path / "restored")
    try:
        ((closes_at,),) = product.rows(f"SELECT closes_at FROM withdrawal WHERE id = {key}")  # noqa: S608 - a number of ours
        assert datetime.fromisoformat(closes_at) > clock() + timedelta(days=7)
        (left,) = found.left
        assert (left["withdrawal"], closes_at in left["why"]) == (key, True)
        assert compare(product.catalog, journal_folder(product.data)) == []
    finally:
        product.close()


def test_what_was_adopted_is_live_once_it_is_accepted(sqlite_day: Day, tmp_path: Path) -> None:
    sqlite_day.backup()
    new = [Image(SECOND, 7), Image(SECOND, LARGE)]
    sqlite_day.acts.receive(*new)
    data = tmp_path / "restored"
    shutil.copytree(sqlite_day.product.data, data, ignore=shutil.ignore_patterns("kinote.sqlite*"))
    found, product = restored(sqlite_day, data)
    try:
        assert found.adopted["adopted"] == 2
        assert found.adopted["not_adopted"] == []
        for each in found.adopted["withdrawals"]:
            product.client.request("DELETE", f"/api/v1/withdrawals/{each['withdrawal']}")
        assert {image_uid(SECOND, 7), image_uid(SECOND, LARGE)} <= live(product)
        assert len(product.stored_bytes()) == len(sqlite_day.product.stored_bytes())
        product.restart()
        assert product.recovered.set_aside == 0
    finally:
        product.close()


def test_without_its_bytes_an_object_is_missing_until_it_comes_again(sqlite_day: Day, tmp_path: Path) -> None:
    sqlite_day.backup(has_images=False)
    found, product = restored(sqlite_day, tmp_path / "restored")
    try:
        assert found.missing == [image_uid(FIRST, LARGE)]
        product.receive([Image(FIRST, LARGE).file])
        assert explained(product, image_uid(FIRST, LARGE))["residence"] == "local"
    finally:
        product.close()


def test_nobody_is_signed_in_after_a_restore(sqlite_day: Day, tmp_path: Path) -> None:
    def add(transaction: Connection) -> None:
        for number, login in enumerate(("roe", "left"), start=1):
            transaction.execute(
                user_account.insert(),
                {
                    "id": number,
                    "login": login,
                    "is_enabled": login == "roe",
                    "added_at": "",
                    "changed_at": "",
                },
            )
        transaction.execute(
            sign_in_session.insert(), {"digest": "1", "account": 1, "begun_at": "", "expires_at": "9"}
        )
        for number, revoked_at in enumerate(("", "2026"), start=1):
            transaction.execute(
                api_token.insert(),
                {
                    "digest": str(number),
                    "account": 1,
                    "name": "ct",
                    "added_at": "",
                    "expires_at": "9",
                    "revoked_at": revoked_at,
                },
            )

    sqlite_day.product.catalog.write(add)
    sqlite_day.backup()
    found, product = restored(sqlite_day, tmp_path / "restored")
    try:
        assert (found.users, found.tokens) == (["roe"], 1)
        assert product.rows("SELECT count(*) FROM sign_in_session") == [(0,)]
        assert product.rows("SELECT count(*) FROM api_token WHERE revoked_at = ''") == [(0,)]
        assert product.rows("SELECT count(*) FROM api_token WHERE revoked_at = '2026'") == [(1,)]
    finally:
        product.close()


def test_another_copy_that_is_found_does_not_end_a_withdrawal(sqlite_day: Day, tmp_path: Path) -> None:
    uid = image_uid(FIRST, LARGE)
    expired = reject_it(sqlite_day.product, uid, RETENTION_EXPIRED)
    sqlite_day.backup()
    data = tmp_path / "restored"
    shutil.copytree(sqlite_day.product.data, data, ignore=shutil.ignore_patterns("kinote.sqlite*"))
    (image,) = store_roots(data)["files"].rglob("*.dcm")
    shutil.copy(image, image.with_name(f"{uuid.uuid4().hex}.dcm"))
    found, product = restored(sqlite_day, data)
    try:
        assert uid not in live(product)
        (adopted,) = found.adopted["withdrawals"]
        assert (adopted["instances"], adopted["withdrawal"] != expired) == (1, True)
    finally:
        product.close()


def test_backups_and_what_is_restored_are_nobody_elses_to_read(sqlite_day: Day, tmp_path: Path) -> None:
    sqlite_day.location.mkdir(mode=0o755)
    sqlite_day.backup()
    Backups(source_of(sqlite_day.product), BackupOptions(sqlite_day.location), clock, "").step()
    folders = [each for each in sqlite_day.location.iterdir() if each.is_dir()]
    assert {each.name: stat.S_IMODE(each.stat().st_mode) for each in folders} == {
        each.name: 0o700 for each in folders
    }
    _, product = restored(sqlite_day, tmp_path / "restored")
    product.close()
    files = [tmp_path / "restored" / "kinote.sqlite", *journal_folder(tmp_path / "restored").iterdir()]
    assert {stat.S_IMODE(each.stat().st_mode) & 0o077 for each in files} == {0}


def test_a_purge_hides_only_the_copy_that_was_purged(sqlite_day: Day) -> None:
    product, uid = sqlite_day.product, image_uid(FIRST, LARGE)
    ((digest,),) = product.rows(str(text(f"SELECT digest FROM instance WHERE sop_instance_uid = '{uid}'")))  # noqa: S608
    said = {"kind": "purged", "at": "2026-11-30", "by": ["system", "Kinote", ""], "uids": [uid]}
    replay(product.catalog, [{"id": "1", **said, "digests": {uid: "another"}}], clock())
    assert uid in live(product)
    several = {"digests": {uid: "another"}, "copies_purged": {uid: [digest, "another"]}}
    replay(product.catalog, [{"id": "2", **said, **several}], clock())
    assert uid not in live(product)


def test_what_is_there_and_was_cut_off_is_brought_back(sqlite_day: Day, tmp_path: Path) -> None:
    sqlite_day.backup()
    data = tmp_path / "restored"
    shutil.copytree(sqlite_day.product.data, data, ignore=shutil.ignore_patterns("kinote.sqlite*"))
    roots = store_roots(data)
    (image,) = roots["files"].rglob("*.dcm")
    shorten(image)
    (pack,) = roots["packs"].glob("*.pack")
    pack.write_bytes(pack.read_bytes()[:4096])
    found, product = restored(sqlite_day, data)
    try:
        assert found.missing == []
        assert ["cut-off" in each for each in found.remarks] == [True]
        assert product.stored_bytes() == sqlite_day.product.stored_bytes()
    finally:
        product.close()
