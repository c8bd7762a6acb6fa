"""Law 5: an object that cannot be filed harms no other of its commit group."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from kinote.intake import filing
from kinote.intake.arrival import Arrival
from kinote.intake.committer import Committer
from kinote.intake.outcome import PROCESSING_FAILURE
from kinote.notes.registrar import register
from kinote.storage.stores import Stores
from tests.actors import ORIGIN
from tests.laws.acts import Acts
from tests.laws.arrivals import FIRST, LARGE, Arriving, Image, KeyObject, flag, image_uid
from tests.laws.audit import hold_all
from tests.laws.product import LIMIT

DOCUMENT = KeyObject(FIRST, 1, (flag(image_uid(FIRST, 1)),), text="good")
GOOD = (Image(FIRST, 1), Image(FIRST, LARGE), DOCUMENT)
BAD_IMAGE = Image(FIRST, 2)
BAD_DOCUMENT = KeyObject(FIRST, 2, (flag(image_uid(FIRST, LARGE)),), text="bad")


def kinds_of_one_group(acts: Acts, arriving: list[Arriving], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let objects in that are committed in one group; gives what each was told."""
    group: list[Arrival] = []
    futures = []

    def gather(_committer: Committer, arrival: Arrival) -> None:
        group.append(arrival)

    with monkeypatch.context() as patched:
        patched.setattr(Committer, "submit", gather)
        for each in arriving:
            upload = acts.product.receiver.open(ORIGIN)
            upload.write(each.file)
            futures.append(upload.finish())
        deadline = time.monotonic() + LIMIT
        while len(group) < len(arriving) and time.monotonic() < deadline:
            time.sleep(0.005)
    file_together(acts.product.receiver._committer, group)
    return [future.result(LIMIT).kind for future in futures]


def file_together(committer: Committer, group: list[Arrival]) -> None:
    """As if all had come while a writer was busy."""
    with committer._changed:
        committer._unsettled += len(group)
        committer._ready.extend(group)
        committer._announced = True
    committer._announce()


def hold_law_5(acts: Acts, bad: Arriving, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that came with a bad object are there, and it has left nothing behind."""
    kinds = kinds_of_one_group(acts, [*GOOD[:1], bad, *GOOD[1:]], monkeypatch)
    assert kinds == ["stored", "refused", "stored", "stored"]
    for each in GOOD:
        acts.model.take(each)
    noted = acts.product.items("notes")
    assert len(noted) == 1, "a note of what was refused"
    acts.model.register(DOCUMENT, noted[0]["id"])
    hold_all(acts)


@pytest.fixture(params=["its rows", "its note"])
def bad(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Arriving:
    """An object whose rows, or whose note's, the database will not have."""
    if request.param == "its note":
        _refuse(monkeypatch, register, "register", lambda each: each.sop_instance_uid == BAD_DOCUMENT.uid)
        return BAD_DOCUMENT
    _refuse(monkeypatch, filing, "insert_entries", lambda each: each[0].sop_instance_uid == BAD_IMAGE.uid)
    return BAD_IMAGE


def _refuse(monkeypatch: pytest.MonkeyPatch, room: Any, name: str, is_bad: Callable[[Any], bool]) -> None:
    do = getattr(room, name)

    def refusing(transaction: Any, those: Any, *rest: Any) -> Any:
        done = do(transaction, those, *rest)
        if any(map(is_bad, those)):
            raise RuntimeError("the database does not like it")
        return done

    monkeypatch.setattr(room, name, refusing)


def test_law_5_a_bad_object_harms_no_other_of_its_group(
    acts: Acts, bad: Arriving, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_law_5(acts, bad, monkeypatch)


def test_breach_of_law_5_a_group_that_is_given_up_is_noticed(
    acts: Acts, bad: Arriving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together or not at all."""

    def give_up(committer: Committer, arrival: Arrival, _attempt: int) -> None:
        refusal = arrival.refusal(PROCESSING_FAILURE, "It came with a bad one.")
        committer._settled(arrival, filing.Filed(refusal, kept=False))

    monkeypatch.setattr(Committer, "_file_alone", give_up)
    with pytest.raises(AssertionError, match="stored"):
        hold_law_5(acts, bad, monkeypatch)


def test_breach_of_law_5_a_bad_object_that_leaves_its_rows_is_noticed(
    acts: Acts, bad: Arriving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went wrong is caught where it went wrong, with half of it written."""
    file_arrivals = filing.file_arrivals

    def passing_over(transaction: Any, arrivals: Any, *rest: Any) -> Any:
        try:
            return file_arrivals(transaction, arrivals, *rest)
        except RuntimeError:
            if len(arrivals) > 1:
                raise
            return [filing.Filed(arrivals[0].outcome("refused"), kept=False)]

    monkeypatch.setattr("kinote.intake.committer.file_arrivals", passing_over)
    with pytest.raises(AssertionError, match=r"the live view has|view == |a note of what"):
        hold_law_5(acts, bad, monkeypatch)


def test_breach_of_law_5_a_bad_object_that_leaves_its_file_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse(monkeypatch, filing, "insert_entries", lambda each: each[0].sop_instance_uid == BAD_IMAGE.uid)
    monkeypatch.setattr(Stores, "discard", lambda *_: None)
    with pytest.raises(AssertionError):
        hold_law_5(acts, BAD_IMAGE, monkeypatch)
