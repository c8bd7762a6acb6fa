"""Law 7: bytes altered on the way in or out, and objects that are lost, are noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kinote.delivery import outgoing
from kinote.dicom.elements.errors import DicomError
from kinote.intake import filing
from kinote.intake.filing import Filed
from kinote.intake.outcome import CANNOT_UNDERSTAND, Outcome
from kinote.intake.upload import Upload
from kinote.storage.files import IncomingFile
from tests.laws.acts import Acts
from tests.laws.arrivals import FIRST, LARGE, NO_PIXELS, Arriving, Image, KeyObject, flag, image_uid
from tests.laws.audit import hold_law_7
from tests.laws.day import a_day

LIVE = Image(FIRST, LARGE)
HELD = Image(FIRST, LARGE, content=1)


def take(acts: Acts, *arriving: Arriving) -> list[Outcome]:
    """Let objects in and tell the model of them, whatever the product says."""
    outcomes = acts.product.receive([each.file for each in arriving])
    for each in arriving:
        acts.model.take(each)
    return outcomes


def _altered(data: bytes) -> bytes:
    """The last byte of a data set is a pixel's, or a text's: it is as well made as before."""
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.fixture
def alter_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in a file has its last byte changed after its digest was taken."""
    finish = IncomingFile.finish

    def altering(file: IncomingFile) -> None:
        finish(file)
        path = Path(file.path)
        path.write_bytes(_altered(path.read_bytes()))

    monkeypatch.setattr(IncomingFile, "finish", altering)


@pytest.fixture
def correct_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A correction is written into what is stored, as long as what it takes the place of."""
    finish = IncomingFile.finish

    def correcting(file: IncomingFile) -> None:
        finish(file)
        path = Path(file.path)
        path.write_bytes(path.read_bytes().replace(b"Patient^", b"Correct^"))

    monkeypatch.setattr(IncomingFile, "finish", correcting)


@pytest.fixture
def alter_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in the index has its last byte changed."""
    placed = filing._placed

    def altering(*arguments: Any) -> Any:
        kept = placed(*arguments)
        return replace(kept, dataset=_altered(kept.dataset)) if kept.dataset else kept

    monkeypatch.setattr(filing, "_placed", altering)


@pytest.mark.parametrize(
    ("breach", "arriving"),
    [
        ("alter_files", Image(FIRST, LARGE)),
        ("correct_files", Image(FIRST, LARGE)),
        ("alter_the_index", Image(FIRST, NO_PIXELS)),
        ("alter_the_index", KeyObject(FIRST, 1, (flag(image_uid(FIRST, 1)),))),
    ],
)
def test_breach_of_law_7_bytes_altered_on_the_way_in_are_noticed(
    acts: Acts, request: pytest.FixtureRequest, breach: str, arriving: Arriving
) -> None:
    request.getfixturevalue(breach)
    assert [outcome.kind for outcome in take(acts, arriving)] == ["stored"]
    with pytest.raises(AssertionError, match="not everything is kept as it came"):
        hold_law_7(acts)


def _ending_otherwise(_meta: bytes, _file: Any) -> Iterator[bytes]:
    with _file:
        yield _meta + _altered(_file.read())


def _cut_off(meta: bytes, file: Any) -> Iterator[bytes]:
    with file:
        yield meta + file.read()[:-1]


def _corrected(meta: bytes, file: Any) -> Iterator[bytes]:
    with file:
        yield meta + file.read().replace(b"Patient^", b"Correct^")


@pytest.mark.parametrize("chunks", [_ending_otherwise, _cut_off, _corrected])
def test_breach_of_law_7_bytes_altered_on_the_way_out_are_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch, chunks: Callable[..., Iterator[bytes]]
) -> None:
    a_day(acts)
    hold_law_7(acts)
    monkeypatch.setattr(outgoing, "_chunks", chunks)
    with pytest.raises(AssertionError, match="comes out altered"):
        hold_law_7(acts)


def test_breach_of_law_7_a_held_copy_altered_on_the_way_out_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [outcome.kind for outcome in (*take(acts, LIVE), *take(acts, HELD))] == ["stored", "held"]
    hold_law_7(acts)
    monkeypatch.setattr("kinote.web.api.arrivals.held.part10", _as_held)
    with pytest.raises(AssertionError):
        hold_law_7(acts)


def _as_held(copy: Any, stored: Any) -> Iterator[bytes]:
    return iter([_altered(b"".join(outgoing.part10(copy, stored)))])


def test_breach_of_law_7_what_cannot_be_understood_and_is_refused_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key object that says nothing is no reason not to keep it."""
    reading = Upload._reading

    def refusing(upload: Upload, *arguments: Any) -> Any:
        found = reading(upload, *arguments)
        if found.registration == "unreadable":
            raise DicomError("It says nothing.", offset=0)
        return found

    monkeypatch.setattr(Upload, "_reading", refusing)
    outcomes = take(acts, KeyObject(FIRST, 1, (), broken=True))
    assert [(outcome.kind, outcome.status) for outcome in outcomes] == [("refused", CANNOT_UNDERSTAND)]
    with pytest.raises(AssertionError, match="not everything is kept as it came"):
        hold_law_7(acts)


def test_breach_of_law_7_other_content_that_is_thrown_away_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender is told that it is held, but nobody will ever see it."""
    decide = filing._decide

    def losing(*arguments: Any) -> tuple[Filed, str]:
        filed, standing = decide(*arguments)
        return Filed(filed.outcome, kept=standing == "live"), standing

    monkeypatch.setattr(filing, "_decide", losing)
    assert [outcome.kind for outcome in (*take(acts, LIVE), *take(acts, HELD))] == ["stored", "held"]
    with pytest.raises(AssertionError, match="not everything is kept as it came"):
        hold_law_7(acts)


def test_breach_of_law_7_the_first_that_is_overwritten_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came last wins: the bytes of the first are gone, although its row is there."""
    take(acts, LIVE)
    hold_law_7(acts)
    (row,) = acts.product.rows("SELECT file_key FROM instance")
    (acts.product.data / "objects" / row.file_key).write_bytes(HELD.file)
    with pytest.raises(AssertionError, match="not everything is kept as it came"):
        hold_law_7(acts)
