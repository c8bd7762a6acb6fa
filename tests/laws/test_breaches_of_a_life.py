"""The audit of a life notices what breaks a law: each test breaks the product, or what it has stored, on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kinote.catalog.schema.tables import job
from kinote.jobs.leased import Done, LeasedJob, Outcome
from kinote.keyobject import writer
from kinote.lifecycle.purging import tombstones
from kinote.notes.acts import undo_windows
from tests.actors import ORIGIN
from tests.laws.arrivals import FIRST, LARGE, Image, KeyObject, image_uid
from tests.laws.life import Life
from tests.laws.life_audit import hold_everything
from tests.laws.living_product import UNDO_WINDOW, LivingProduct, open_sink


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """A product with two images, a document that nobody understands, and a note."""
    with open_sink() as (sink, entity):
        product = LivingProduct(f"sqlite:///{tmp_path / 'kinote.sqlite'}", tmp_path, [entity])
        try:
            begun = Life(product, sink)
            begun.receive(
                Image(FIRST, 1), Image(FIRST, LARGE), KeyObject(FIRST, 1, (), broken=True), origin=ORIGIN
            )
            begun.make([image_uid(FIRST, 1)], "a note")
            begun.hold()
            hold_everything(product, begun.rows)
            yield begun
        finally:
            product.close()


def withdrawn(life: Life) -> None:
    life.withdraw("quality", key="one", repeats=False, instances=[image_uid(FIRST, LARGE)])
    life.hold()


def _change(statement: str) -> Callable[[Life], None]:
    def changed(life: Life) -> None:
        life.product.catalog.write(lambda transaction: transaction.execute(text(statement)))

    return changed


def _lose_a_file(life: Life) -> None:
    life.product.stores.remove(list(life.product.places())[:1])


#: What is changed behind the back of the product, by the law that this breaks.
CHANGES = {
    "law 1: a counter": _change("UPDATE study SET instance_count = instance_count + 1"),
    "law 1: a standing that another row has": _change("UPDATE instance SET is_current = 0"),
    "law 4: a standing without a withdrawal": _change(
        "UPDATE instance SET standing = 'withdrawn' WHERE sop_class_uid LIKE '%.88.59'"
    ),
    "law 6: an acknowledged object": _change(
        "UPDATE instance SET digest = 'another' WHERE file_key IS NOT NULL"
    ),
    "law 8: a row without its bytes": _change("DELETE FROM instance_bytes"),
    "law 8: a file": _lose_a_file,
}


@pytest.mark.parametrize("change", CHANGES)
def test_breach_of_laws_in_what_is_stored_is_noticed(life: Life, change: str) -> None:
    CHANGES[change](life)
    with pytest.raises(AssertionError):
        life.hold()
        hold_everything(life.product, life.rows)


def test_breach_of_law_2_a_job_that_hides_is_noticed(life: Life) -> None:
    def hides(job: LeasedJob) -> Outcome:
        job.write(lambda transaction: transaction.execute(text("UPDATE instance SET standing = 'withdrawn'")))
        return Done()

    life.ask_for_jobs()
    leased = life.claim("worker")
    assert leased is not None
    life.product.handlers[leased.kind.name] = hides
    with pytest.raises(AssertionError, match="a job has decided"):
        life.work(leased)


def test_breach_of_law_3_a_worker_that_writes_without_its_lease_is_noticed(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LeasedJob, "_is_mine", lambda self, now: job.c.id == self.id)
    life.ask_for_jobs()
    frozen = life.claim("frozen")
    assert frozen is not None
    for _ in range(2):
        life.product.pass_time(timedelta(hours=2))
        life.sweep()
    assert life.claim("another") is not None
    with pytest.raises(AssertionError):
        life.work(frozen)


def test_breach_of_law_4_a_withdrawal_of_which_nobody_is_told_is_noticed(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn(life)
    monkeypatch.setattr(undo_windows, "tell", lambda *arguments, **options: None)
    life.product.pass_time(UNDO_WINDOW * 2)
    life.close_windows()
    with pytest.raises(AssertionError, match="never made live"):
        life.hold()


def test_breach_of_law_7_a_purge_before_its_time_is_noticed(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn(life)
    key = life.withdrawals[0]

    def at_once(*_: Any) -> tuple[datetime, int]:
        return datetime.min.replace(tzinfo=UTC), key

    monkeypatch.setattr(tombstones, "due", at_once)
    with pytest.raises(AssertionError, match="purged before their time"):
        life.reap()


def test_breach_of_law_8_tombstones_whose_bytes_stay_are_noticed(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn(life)
    monkeypatch.setattr("kinote.holdings.reaping.reaper.remember", lambda *arguments, **options: None)
    life.product.pass_time(UNDO_WINDOW * 2)
    life.close_windows()
    life.product.pass_time(timedelta(days=2))
    life.reap()
    life.hold()
    with pytest.raises(AssertionError, match="bytes have no row"):
        hold_everything(life.product, life.rows)


def test_breach_of_law_11_a_document_that_is_made_otherwise_is_noticed(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = writer.encode
    monkeypatch.setattr(writer, "encode", lambda document: encode(document) + b"\0\0")
    with pytest.raises(AssertionError, match="law 11"):
        hold_everything(life.product, life.rows)
