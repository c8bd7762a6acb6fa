"""The list of withdrawals: what is asked for by parts of names and reasons is the same on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle import acts
from kinote.lifecycle.withdrawals import lists
from kinote.lifecycle.withdrawals.lists import WithdrawalFilter, withdrawals
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.security.actors import Actor, ActorKind

NOW = datetime(2026, 11, 24, 5, 31, tzinfo=UTC)


def listed(catalog: Catalog, limit: int = 10, before: int | None = None, **wanted: str) -> list[int]:
    with catalog.read() as connection:
        found = withdrawals(connection, WithdrawalFilter(**wanted), before=before, limit=limit)
    return [each.id for each in found]


def withdrawn(catalog: Catalog, who: str, text: str) -> int:
    by = Actor(ActorKind.PERSON, who, "")
    return catalog.write(lambda tx: withdraw(tx, ["1.2.3"], act=acts.QUALITY, text=text, by=by, now=NOW))


@pytest.mark.parametrize("one_page", [500, 2], ids=["one page", "several pages"])
def test_parts_of_names_and_reasons_are_found_in_any_case(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, one_page: int
) -> None:
    monkeypatch.setattr(lists, "_LOOKED_THROUGH", one_page)
    first = withdrawn(catalog, "MÜLLER", "Verwackelt: 100 % der Bilder")
    withdrawn(catalog, "Roe", "ПАЦИЕНТ_2")
    third = withdrawn(catalog, "Doe", "Пациент 3")
    fourth = withdrawn(catalog, "jürgen müller", "gewürfelt")
    assert listed(catalog, who="müller") == [fourth, first]
    assert listed(catalog, who="ÜRGEN M") == [fourth]
    assert listed(catalog, text="ПАЦИЕНТ ") == [third]
    assert listed(catalog, text="пациент", limit=1) == [third]
    assert listed(catalog, text="пациент", limit=1, before=third) == [third - 1]
    assert listed(catalog, text="0 % d") == [first]
    assert listed(catalog, who="müller", text="würf") == [fourth]
    assert listed(catalog, who="nobody") == []
    assert len(listed(catalog)) == 4
