"""Faults that other archives have with rejections: each test says what must not happen here."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from kinote.catalog.schema.tables import withdrawal
from kinote.catalog.transactions.catalog import Catalog
from kinote.keyobject.model import Reference
from kinote.lifecycle import counts, standing
from kinote.lifecycle.withdrawals.withdrawal import undo
from tests.actors import ROE
from tests.lifecycle.rejected import (
    EXPIRED,
    QUALITY,
    SAFETY,
    image,
    live,
    receive,
    rejection,
    standings,
    told,
    with_title,
    withdrawals,
)
from tests.notes.sample_studies import FIRST, IMAGE, IMAGE_2, KEY_OBJECT, NOW, SECOND, SECOND_IMAGE, place
from tests.notes.statements import each_statement

NOTE, SECOND_NOTE = "1.2.1.80.1", "1.2.1.80.2"


def test_a_restore_does_not_reject_again(catalog: Catalog) -> None:
    """dcm4chee-arc#4309: what was restored was rejected again as 113039. Undo ends a row and is no act of its own."""
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE, title=QUALITY))
    with catalog.read() as connection:
        key = connection.execute(select(withdrawal.c.id)).scalar_one()
    catalog.write(lambda tx: undo(tx, key, by=ROE, now=NOW))
    assert live(catalog) == [IMAGE, NOTE]
    with catalog.read() as connection:
        assert connection.execute(select(func.count()).select_from(withdrawal)).scalar_one() == 1


def test_rejecting_a_study_does_not_leave_a_rejection_note_that_nobody_can_reject(catalog: Catalog) -> None:
    """dcm4chee-arc#2218: the series of the note stayed behind. A note can be rejected, or is not shown at all."""
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE, title=SAFETY))
    note = Reference(place(NOTE, KEY_OBJECT))
    receive(catalog, rejection(SECOND_NOTE, note, title=SAFETY), rules=with_title(SAFETY, shows_note=False))
    assert live(catalog) == []


def test_thousands_of_rejections_do_not_take_a_statement_each(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dcm4chee-arc#4089: 1,852 rejections took minutes. A note acts on all that it names at once."""
    monkeypatch.setattr(standing, "CHUNK", 10_000)
    taken = []
    for study, many in (("1.2.1", 3), ("1.2.2", 60)):
        uids = [f"{study}.1.{number}" for number in range(1, many + 1)]
        receive(catalog, *map(image, uids))
        seen: list[str] = []
        with each_statement(catalog, seen.append):
            receive(catalog, rejection(f"{study}.80.1", *uids))
        assert all(standings(catalog)[uid] == "withdrawn" for uid in uids)
        taken.append(len(seen))
    assert abs(taken[0] - taken[1]) <= 3


def test_a_note_over_several_studies_does_not_update_only_the_last_of_them(catalog: Catalog) -> None:
    """dcm4chee-arc: only the last series' study was computed anew. `live` compares all counters with the view."""
    receive(catalog, image(IMAGE), image(IMAGE_2), image(SECOND_IMAGE))
    receive(catalog, rejection(NOTE, IMAGE, SECOND_IMAGE, copies=[f"{SECOND}.80.1"]))
    assert live(catalog) == [IMAGE_2, NOTE]
    hidden = {
        (change.study_instance_uid, change.sop_instance_uid)
        for change in told(catalog)
        if change.kind == "instance withdrawn"
    }
    assert hidden == {(FIRST, IMAGE), (SECOND, SECOND_IMAGE)}


def test_law_4_a_rejection_does_not_remain_half_done(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dcm4chee-arc rejects each instance by itself. Here all of a note is done, and the note stored, or nothing."""
    receive(catalog, image(IMAGE), image(IMAGE_2))
    add = counts.add

    def failing(transaction: Any, deltas: Any) -> None:
        add(transaction, deltas)
        if any(delta < 0 for delta in deltas.values()):
            raise ArithmeticError("just now")

    with monkeypatch.context() as patched:
        patched.setattr(counts, "add", failing)
        with pytest.raises(ArithmeticError):
            receive(catalog, rejection(NOTE, IMAGE, IMAGE_2, title=SAFETY))
    assert live(catalog) == [IMAGE, IMAGE_2]
    assert withdrawals(catalog) == []
    receive(catalog, rejection(NOTE, IMAGE, IMAGE_2, title=SAFETY))
    assert live(catalog) == [NOTE]


def test_a_rejection_does_not_wait_for_its_instances_until_it_is_too_late(catalog: Catalog) -> None:
    """dcm4chee-arc refuses a note before its instances (A772), unless a window is configured."""
    receive(catalog, rejection(NOTE, IMAGE, title=SAFETY))
    receive(catalog, image(IMAGE), now=NOW.replace(year=NOW.year + 5))
    assert standings(catalog) == {NOTE: "live", IMAGE: "withdrawn"}


def test_law_2_a_rejection_of_what_expired_does_not_delete_by_itself(catalog: Catalog) -> None:
    """dcm4chee-arc#4737: retention of one copy rejected another one, too. To expire and to evict are two acts."""
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE, title=EXPIRED))
    assert standings(catalog)[IMAGE] == "withdrawn"
    assert [one.kind for one in receive(catalog, image(IMAGE))] == ["known"]
    assert live(catalog) == [IMAGE, NOTE]
