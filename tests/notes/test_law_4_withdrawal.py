"""Law 4: withdrawal, reason, standing, rejection note and the word about it happen together or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from kinote.catalog.schema.tables import metadata
from kinote.catalog.schema.tables import withdrawal as withdrawn
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle import counts, standing
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.owed import owing
from kinote.lifecycle.withdrawals import withdrawal
from kinote.notes.acts import rejection
from kinote.notes.acts.revise import revise
from kinote.notes.acts.withdraw import withdraw_note
from tests.actors import ROE
from tests.notes.sample_studies import (
    FRAMES,
    IMAGE,
    IMAGE_2,
    IMAGE_3,
    NOW,
    OTHER_IMAGE,
    SECOND_IMAGE,
    later,
    made,
    request,
)
from tests.notes.statements import each_statement

Act = Callable[[Connection, int], None]


def withdrawing(transaction: Connection, note: int) -> None:
    withdraw_note(transaction, note, text="blurred", by=ROE, now=later(NOW))


def revising(transaction: Connection, note: int) -> None:
    wanted = request(IMAGE_2, description="Other")
    revise(transaction, note, wanted, expected_version=1, now=later(NOW), by=ROE)


def withdrawing_instances(transaction: Connection, _: int) -> None:
    """More than one chunk, and among them one that has not come yet."""
    uids = [IMAGE, IMAGE_2, IMAGE_3, FRAMES, SECOND_IMAGE, OTHER_IMAGE, "1.2.1.1.99"]
    withdrawal.withdraw(transaction, uids, act=QUALITY, text="blurred", by=ROE, now=later(NOW))


def undoing(transaction: Connection, note: int) -> None:
    """Withdrawn and undone in one: what is left is the record of both."""
    withdrawing_instances(transaction, note)
    (key,) = transaction.execute(select(withdrawn.c.id)).scalars()
    withdrawal.undo(transaction, key, by=ROE, now=later(NOW))


class InjectedError(RuntimeError):
    """The failure that is injected."""


def everything(catalog: Catalog) -> dict[str, list[Any]]:
    """All rows of the index."""
    with catalog.read() as connection:
        rows = {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in metadata.sorted_tables
        }
        rows["note_text"] = sorted(map(repr, connection.execute(text("SELECT rowid, folded FROM note_text"))))
        assert counts.differences(connection) == []
    return rows


def hold_law_4(catalog: Catalog, act: Act) -> int:
    """Let an act fail at its first statement, its second, and so on; gives how many it has."""
    note = made(catalog, request(IMAGE, SECOND_IMAGE)).id
    assert note is not None
    before = everything(catalog)
    left = [0]

    def fail(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise InjectedError

    for step in range(1, 1000):
        left[0] = step
        try:
            with each_statement(catalog, fail):
                catalog.write(lambda transaction: act(transaction, note))
        except InjectedError:
            assert everything(catalog) == before, f"a failure at statement {step} left something behind"
        else:
            assert left[0] > 0, f"a failure at statement {step} was passed over"
            assert everything(catalog) != before
            return step - 1
    raise AssertionError("the act never came to its end")


@pytest.mark.parametrize("act", [withdrawing, revising, withdrawing_instances, undoing])
def test_law_4_withdrawal_is_one_transaction(
    filled: Catalog, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "CHUNK", 2)
    assert hold_law_4(filled, act) > 20


def test_breach_of_law_4_is_noticed(filled: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are told as well as can be, and never mind if it fails."""

    def at_best(*arguments: Any, **options: Any) -> None:
        with suppress(InjectedError):
            owing.owe_rejection_notes(*arguments, **options)

    monkeypatch.setattr(rejection, "owe_rejection_notes", at_best)
    with pytest.raises(AssertionError):
        hold_law_4(filled, withdrawing)
