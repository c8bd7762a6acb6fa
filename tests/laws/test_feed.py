"""The change feed, read anew: what it leaves out, says twice or says in another order is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kinote.catalog import changes
from tests.laws.acts import Acts
from tests.laws.audit import hold_feed
from tests.laws.day import a_day

Since = Callable[..., list[changes.RecordedChange]]


def _skips(since: Since) -> Since:
    def skipping(connection: Any, position: Any, limit: int) -> list[changes.RecordedChange]:
        found = since(connection, position, limit)
        # The first page is whole: what is left out is at a page's end.
        return found if position == changes.BEGINNING else found[1:]

    return skipping


def _repeats(since: Since) -> Since:
    def repeating(connection: Any, position: Any, limit: int) -> list[changes.RecordedChange]:
        found = since(connection, position, limit)
        return [*found[:1], *found][:limit]

    return repeating


def _turns_round(since: Since) -> Since:
    def turned(connection: Any, position: Any, limit: int) -> list[changes.RecordedChange]:
        found = since(connection, position, limit)
        return [*reversed(found[:2]), *found[2:]]

    return turned


@pytest.mark.parametrize("breach", [_skips, _repeats, _turns_round])
def test_breach_of_the_feed_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch, breach: Callable[[Since], Since]
) -> None:
    a_day(acts)
    hold_feed(acts)
    monkeypatch.setattr(changes, "since", breach(changes.since))
    with pytest.raises(AssertionError):
        hold_feed(acts)
