"""Law 8: a row without its bytes, bytes without a row, and bytes that are not what the row says are noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import text

from kinote.holdings.opening.recovery import Recovered
from kinote.intake.filing import file_arrivals
from kinote.storage.store import Incoming, StorageError
from kinote.storage.stores import Stores
from tests.kept_bytes import left_behind
from tests.laws.acts import Acts
from tests.laws.arrivals import FIRST, LARGE, Image
from tests.laws.audit import hold_law_8
from tests.laws.day import IN_A_FILE, IN_THE_INDEX, a_day
from tests.laws.product import Product


def _nothing(*_arguments: object) -> None:
    """What somebody does who forgets to clear up."""


def _file_vanishes(product: Product) -> None:
    (row,) = product.rows(
        "SELECT file_key FROM instance WHERE sop_instance_uid = :uid AND standing <> 'held'", uid=IN_A_FILE
    )
    (product.data / "objects" / row.file_key).unlink()


def _file_appears(product: Product) -> None:
    left_behind(product.stores, b"nobody's")


def _small_one_appears(product: Product) -> None:
    left_behind(product.stores, b"nobody's", small=True)


def _file_changes(product: Product) -> None:
    (row,) = product.rows("SELECT file_key FROM instance WHERE sop_instance_uid = :uid", uid=IN_A_FILE)
    with (product.data / "objects" / row.file_key).open("ab") as file:
        file.write(b"more")


def _vanish(_stores: Stores, group: Sequence[Incoming]) -> list[StorageError | None]:
    """Their keys are known, and nothing lies there."""
    for incoming in group:
        incoming.abandon()
    return [None] * len(group)


def _done(statement: str) -> Callable[[Product], object]:
    return lambda product: product.catalog.write(lambda transaction: transaction.execute(text(statement)))


_OF_ONE = f"(SELECT id FROM instance WHERE sop_instance_uid = '{IN_THE_INDEX}' AND standing <> 'held')"  # noqa: S608


@pytest.mark.parametrize(
    "breach",
    [
        pytest.param(_file_vanishes, id="a file vanishes"),
        pytest.param(_file_appears, id="a file appears"),
        pytest.param(_small_one_appears, id="a small object appears in a pack"),
        pytest.param(_file_changes, id="a file grows"),
        pytest.param(_done(f"DELETE FROM instance_bytes WHERE instance = {_OF_ONE}"), id="bytes vanish"),  # noqa: S608
        pytest.param(_done(f"UPDATE instance SET size = size + 1 WHERE id = {_OF_ONE}"), id="another size"),  # noqa: S608
        pytest.param(
            _done(f"UPDATE instance SET residence = 'remote' WHERE id = {_OF_ONE}"),  # noqa: S608
            id="said to be elsewhere",
        ),
    ],
)
def test_breach_of_law_8_rows_and_bytes_that_disagree_are_noticed(
    acts: Acts, breach: Callable[[Product], object]
) -> None:
    a_day(acts)
    hold_law_8(acts)
    breach(acts.product)
    with pytest.raises(AssertionError):
        hold_law_8(acts)


def test_breach_of_law_8_a_file_that_outlives_its_row_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts.receive(Image(FIRST, LARGE))
    acts.receive(Image(FIRST, LARGE, content=1))
    hold_law_8(acts)
    monkeypatch.setattr(Stores, "remove", _nothing)
    acts.discard(0)
    with pytest.raises(AssertionError):
        hold_law_8(acts)


def test_breach_of_law_8_a_file_that_is_kept_twice_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same again is known, and its file is to go."""
    acts.receive(Image(FIRST, LARGE))
    monkeypatch.setattr(Stores, "discard", _nothing)
    acts.receive(Image(FIRST, LARGE))
    with pytest.raises(AssertionError):
        hold_law_8(acts)


def test_breach_of_law_8_a_row_committed_before_its_file_is_in_place_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kill between the two would leave it, were the row committed first."""
    monkeypatch.setattr(Stores, "settle", _vanish)
    outcomes = acts.product.receive([Image(FIRST, LARGE).file])
    assert [outcome.kind for outcome in outcomes] == ["stored"]
    with pytest.raises(AssertionError):
        hold_law_8(acts)


def test_breach_of_law_8_recovery_that_leaves_files_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day(acts)
    _file_appears(acts.product)
    with monkeypatch.context() as patched:
        patched.setattr("tests.laws.product.recover", lambda *_: Recovered())
        acts.product.restart()
        with pytest.raises(AssertionError):
            hold_law_8(acts)
    acts.product.restart()
    assert acts.product.recovered.set_aside == 1
    hold_law_8(acts)


def test_breach_of_law_8_a_group_whose_rows_fail_and_whose_files_stay_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: Any) -> Any:
        file_arrivals(*arguments)
        raise RuntimeError("the database does not like it")

    monkeypatch.setattr("kinote.intake.committer.file_arrivals", failing)
    assert [outcome.kind for outcome in acts.product.receive([Image(FIRST, LARGE).file])] == ["refused"]
    hold_law_8(acts)
    monkeypatch.setattr(Stores, "discard", _nothing)
    assert [outcome.kind for outcome in acts.product.receive([Image(FIRST, LARGE).file])] == ["refused"]
    with pytest.raises(AssertionError):
        hold_law_8(acts)
