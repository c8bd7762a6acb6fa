"""Law 4: a withdrawal of which only a part was done is noticed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from kinote.lifecycle.withdrawals import withdrawal
from kinote.notes.acts import rejection
from kinote.security.actors import Actor, ActorKind
from tests.laws.acts import Acts
from tests.laws.audit import hold_law_4
from tests.laws.day import IN_A_FILE, a_day


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            f"UPDATE instance SET standing = 'withdrawn' WHERE sop_instance_uid = '{IN_A_FILE}'",  # noqa: S608
            id="a standing without a withdrawal",
        ),
        pytest.param(
            "UPDATE instance SET standing = 'live' WHERE standing = 'withdrawn'",
            id="withdrawals without a standing",
        ),
        pytest.param("DELETE FROM withdrawal_target", id="withdrawals of nothing"),
        pytest.param(
            "UPDATE withdrawal SET undone_at = NULL WHERE undone_at IS NOT NULL", id="withdrawn for ever"
        ),
        pytest.param("UPDATE withdrawal SET reason_value = ''", id="for no reason"),
        pytest.param("DELETE FROM rejection_note", id="nobody is told"),
        pytest.param("UPDATE withdrawal SET closed_at = NULL", id="told while it can be undone"),
    ],
)
def test_breach_of_law_4_a_part_that_is_missing_is_noticed(acts: Acts, change: str) -> None:
    a_day(acts)
    hold_law_4(acts)
    acts.product.catalog.write(lambda transaction: transaction.execute(text(change)))
    with pytest.raises(AssertionError):
        hold_law_4(acts)


NOBODY = Actor(ActorKind.PERSON, "", "")


def _without_who(*arguments: Any, **options: Any) -> int:
    return withdrawal.withdraw(*arguments, **{**options, "by": NOBODY})


def test_breach_of_law_4_a_withdrawal_that_does_not_say_who_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejection, "withdraw", _without_who)
    a_day(acts)
    with pytest.raises(AssertionError):
        hold_law_4(acts)
