"""A life at an archive: deliveries, lies, commitment, eviction, recall, holds; and breaches that the audit notices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from kinote.holdings.removing import evicting
from tests.actors import ORIGIN
from tests.laws.archived_life import ArchivedLife
from tests.laws.arrivals import FIRST, LARGE, Image, image_uid
from tests.laws.living_product import LivingProduct, open_sink


@pytest.fixture
def life(tmp_path: Path) -> Iterator[ArchivedLife]:
    with open_sink() as (sink, entity):
        product = LivingProduct(f"sqlite:///{tmp_path / 'kinote.sqlite'}", tmp_path, [entity])
        try:
            begun = ArchivedLife(product, sink)
            begun.receive(Image(FIRST, 1), Image(FIRST, LARGE), origin=ORIGIN)
            begun.hold()
            yield begun
        finally:
            product.close()


def residences(life: ArchivedLife) -> set[str]:
    return {row.residence for row in life.rows.instances.values()}


def test_law_9_what_is_archived_goes_and_comes_back_when_it_is_read(life: ArchivedLife) -> None:
    life.archive(FIRST, proves=True, evicts=True)
    life.remove_evicted()
    life.hold()
    assert residences(life) == {"remote"}
    for is_away in (True, False, False):
        life.read_again(lambda those: those[0], is_away=is_away)
    life.hold()
    assert residences(life) == {"local"}
    life.end()


def test_law_9_a_hold_a_lie_and_a_failure_keep_it(life: ArchivedLife) -> None:
    life.sink.forgets = True
    life.order(FIRST)
    while (leased := life.claim("one")) is not None:
        life.work(leased)
    life.ask(is_lost=True)
    life.answer(lambda those: those[0], "honest")
    life.prove()
    life.evict()
    life.place_hold(FIRST)
    life.archive(FIRST, proves=True, evicts=True)
    life.hold()
    assert residences(life) == {"local"}
    life.end_hold(FIRST)
    life.answer(lambda those: those[-1], "fails")
    life.evict()
    life.hold()
    assert residences(life) == {"local"}


def test_breach_of_law_9_an_eviction_without_the_word_of_the_archive_is_noticed(
    life: ArchivedLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        evicting, "archives_keeping", lambda transaction, keys, now: {each: [_Any] for each in keys}
    )
    with pytest.raises(AssertionError):
        life.evict()


class _Any:
    peer, name = 1, "SINK"


def test_breach_of_law_9_a_last_copy_that_the_archive_does_not_have_is_noticed(life: ArchivedLife) -> None:
    life.archive(FIRST, proves=True, evicts=True)
    life.sink.kept.pop(image_uid(FIRST, 1))
    with pytest.raises(AssertionError, match="the archive does not have it"):
        life.hold()


def test_breach_of_law_10_what_was_never_answered_is_noticed_in_the_account(life: ArchivedLife) -> None:
    life.order(FIRST)
    life.product.catalog.write(
        lambda transaction: transaction.execute(text("UPDATE delivery_object SET state = 'acknowledged'"))
    )
    life.sink.answered.clear()
    life.archive(FIRST, proves=False, evicts=False)
    life.sink.answered.clear()
    with pytest.raises(AssertionError):
        life.hold()
