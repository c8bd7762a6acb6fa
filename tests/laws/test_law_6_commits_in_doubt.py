"""Law 6 in the whole product: a connection that breaks around a COMMIT loses, doubles and misreports nothing.

With it go laws 7 and 8: the file of an object stays as long as a row has it, or may have it.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from kinote.catalog.transactions.commits import Commits
from kinote.dimse import invoking, statuses
from kinote.holdings.removing.removal import remember
from kinote.intake import receiver as receiving
from kinote.intake.arrival import Arrival
from kinote.intake.filing import Filed, file_arrivals
from kinote.intake.receiver import Receiver
from kinote.scp.rooms import Rooms
from kinote.scp.server import DicomServer
from tests.actors import OPEN
from tests.clock import clock
from tests.cut_connections import ConnectionCutter, Cut, cutting
from tests.laws.acts import Acts, Asked
from tests.laws.arrivals import CT, FIRST, LARGE, SECOND, Arriving, Image, KeyObject, data_set, flag
from tests.laws.audit import hold_law_1, hold_law_7, hold_law_8
from tests.laws.product import Product
from tests.scp.face import OPTIONS, Face
from tests.web.objects import multipart

SMALL_IMAGES = [Image(FIRST, number) for number in (1, 2)]
LARGE_IMAGE = Image(FIRST, LARGE)
DOCUMENT = KeyObject(FIRST, 1, (flag(LARGE_IMAGE.uid),))

#: Opens an empty product whose commits can be cut.
OpenCut = Callable[..., AbstractContextManager[tuple[Acts, ConnectionCutter]]]


@pytest.fixture
def open_cut(postgresql_url: str, tmp_path: Path) -> OpenCut:
    @contextmanager
    def opened(in_doubt_limit: float = 60) -> Iterator[tuple[Acts, ConnectionCutter]]:
        data = tmp_path / uuid.uuid4().hex
        with cutting(postgresql_url) as (url, cutter):
            product = Product(url, data, in_doubt_limit=in_doubt_limit)
            try:
                yield Acts(product), cutter
            finally:
                cutter.come_back()
                product.close()
                shutil.rmtree(data)

    return opened


@pytest.fixture
def cut_acts(open_cut: OpenCut) -> Iterator[tuple[Acts, ConnectionCutter]]:
    with open_cut() as opened:
        yield opened


def hold_all(acts: Acts, cutter: ConnectionCutter, cuts: int = 1) -> None:
    assert cutter.cuts == cuts
    hold_law_1(acts)
    hold_law_7(acts)
    hold_law_8(acts)


@pytest.mark.parametrize("cut", [Cut.ANSWER, Cut.COMMIT])
def test_law_6_objects_are_told_of_what_is_there(cut_acts: tuple[Acts, ConnectionCutter], cut: Cut) -> None:
    acts, cutter = cut_acts
    acts.receive(Image(SECOND, 1))
    cutter.cut(cut)
    assert acts.receive(*SMALL_IMAGES, LARGE_IMAGE, DOCUMENT) == ["stored"] * 4
    hold_all(acts, cutter)


@pytest.mark.parametrize("cut", [Cut.ANSWER, Cut.COMMIT])
def test_law_6_what_is_known_already_and_held_too(cut_acts: tuple[Acts, ConnectionCutter], cut: Cut) -> None:
    acts, cutter = cut_acts
    acts.receive(LARGE_IMAGE)
    cutter.cut(cut)
    assert acts.receive(LARGE_IMAGE) == ["known"]
    cutter.cut(cut)
    assert acts.receive(Image(FIRST, LARGE, content=1)) == ["held"]
    hold_all(acts, cutter, cuts=2)


@pytest.mark.parametrize("cut", [Cut.ANSWER, Cut.COMMIT])
def test_law_6_store_requests_are_answered_with_what_is_there(
    cut_acts: tuple[Acts, ConnectionCutter], cut: Cut
) -> None:
    acts, cutter = cut_acts
    product = acts.product
    with dicom_face(product) as face, face.called(CT) as association:
        context = association.context_for(CT)
        assert context is not None
        for image in (*SMALL_IMAGES, LARGE_IMAGE):
            cutter.cut(cut)
            response = invoking.store(association, context, image.uid, data_set(image.file))
            assert response.status == statuses.SUCCESS
            acts.model.take(image)
    hold_law_7(acts)
    hold_law_8(acts)
    assert cutter.cuts == 3


@contextmanager
def dicom_face(product: Product) -> Iterator[Face]:
    rooms = Rooms(product.catalog, product.receiver, product.door, OPTIONS, OPEN)
    server = DicomServer(rooms)
    try:
        yield Face(rooms, server)
    finally:
        server.close()


@pytest.mark.parametrize("cut", [Cut.ANSWER, Cut.COMMIT])
def test_law_6_stow_and_the_rest_api_answer_with_what_is_there(
    cut_acts: tuple[Acts, ConnectionCutter], cut: Cut
) -> None:
    acts, cutter = cut_acts
    client = acts.product.client
    body, headers = multipart([image.file for image in (*SMALL_IMAGES, LARGE_IMAGE)])
    cutter.cut(cut)
    answer = client.post("/dicomweb/studies", content=body, headers=headers)
    assert answer.status_code == 200
    assert len(answer.json()["00081199"]["Value"]) == 3
    cutter.cut(cut)
    headers = {"Content-Type": "application/dicom"}
    answer = client.post("/api/v1/objects", content=DOCUMENT.file, headers=headers)
    assert answer.json()["kind"] == "stored"
    came: tuple[Arriving, ...] = (*SMALL_IMAGES, LARGE_IMAGE, DOCUMENT)
    for each in came:
        acts.model.take(each)
    hold_law_7(acts)
    hold_law_8(acts)
    assert cutter.cuts == 2


@pytest.mark.parametrize("cut", [Cut.ANSWER, Cut.COMMIT])
def test_law_6_a_note_is_made_revised_and_withdrawn_once(
    cut_acts: tuple[Acts, ConnectionCutter], cut: Cut
) -> None:
    acts, cutter = cut_acts
    acts.receive(LARGE_IMAGE)
    cutter.cut(cut)
    number = acts.make(Asked((LARGE_IMAGE.uid,), "once"))
    assert number is not None
    cutter.cut(cut)
    assert acts.revise(number, Asked((LARGE_IMAGE.uid,), "said otherwise"))
    cutter.cut(cut)
    assert acts.withdraw_note(number)
    hold_all(acts, cutter, cuts=3)


def test_law_6_doubt_is_told_as_such_and_no_file_goes(open_cut: OpenCut) -> None:
    with open_cut(in_doubt_limit=0.2) as (acts, cutter):
        cutter.cut(Cut.ANSWER, stay_away=True)
        (outcome,) = acts.product.receive([LARGE_IMAGE.file])
        assert (outcome.kind, outcome.status) == ("refused", 0xA700)
        assert "not known whether this was stored" in outcome.reason
        cutter.come_back()
        # It was, and its sender finds that out by sending it again.
        acts.model.take(LARGE_IMAGE)
        hold_law_7(acts)
        hold_law_8(acts)
        assert [each.kind for each in acts.product.receive([LARGE_IMAGE.file])] == ["known"]
        hold_law_8(acts)


def test_law_6_doubt_of_a_note_is_a_problem_that_says_what_to_do(open_cut: OpenCut) -> None:
    with open_cut(in_doubt_limit=0.2) as (acts, cutter):
        acts.receive(LARGE_IMAGE)
        cutter.cut(Cut.ANSWER, stay_away=True)
        answer = acts.product.client.post(
            f"/api/v1/studies/{FIRST}/notes", json=Asked((LARGE_IMAGE.uid,)).body
        )
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:kinote:problem:commit-in-doubt"
        assert int(answer.headers["Retry-After"]) > 0
        cutter.come_back()
        assert len(acts.product.items(f"studies/{FIRST}/notes")) == 1


def _guess(answer: bool) -> Callable[[Commits, str], bool]:
    def guess(commits: Commits, _token: str) -> bool:
        commits.connection.invalidate()
        return answer

    return guess


def hold_object(acts: Acts) -> None:
    """One that has no file: with one, it would know its own row again."""
    (outcome,) = acts.product.receive([DOCUMENT.file])
    assert outcome.kind == "stored"
    acts.model.take(DOCUMENT)
    hold_law_7(acts)


def hold_note(acts: Acts) -> None:
    answer = acts.product.client.post(f"/api/v1/studies/{FIRST}/notes", json=Asked((LARGE_IMAGE.uid,)).body)
    assert answer.status_code == 201
    assert acts.product.items(f"studies/{FIRST}/notes") == [answer.json()]


@pytest.mark.parametrize(
    ("cut", "guess"),
    [
        pytest.param(Cut.ANSWER, False, id="simply repeated"),
        pytest.param(Cut.COMMIT, True, id="taken for done"),
    ],
)
@pytest.mark.parametrize("hold", [hold_object, hold_note])
def test_breach_of_law_6_a_guess_is_noticed(
    cut_acts: tuple[Acts, ConnectionCutter],
    monkeypatch: pytest.MonkeyPatch,
    cut: Cut,
    guess: bool,
    hold: Callable[[Acts], None],
) -> None:
    acts, cutter = cut_acts
    acts.receive(LARGE_IMAGE)
    monkeypatch.setattr(Commits, "_was_committed", _guess(guess))
    cutter.cut(cut)
    with pytest.raises(AssertionError):
        hold(acts)
    assert cutter.cuts == 1


@pytest.mark.parametrize("cut", [Cut.ANSWER, Cut.COMMIT])
@pytest.mark.parametrize("hold", [hold_object, hold_note])
def test_law_6_what_the_breaches_break_holds(
    cut_acts: tuple[Acts, ConnectionCutter], cut: Cut, hold: Callable[[Acts], None]
) -> None:
    acts, cutter = cut_acts
    acts.receive(LARGE_IMAGE)
    cutter.cut(cut)
    hold(acts)
    assert cutter.cuts == 1


# --- laws 7 and 8: no file goes that a row has ------------------------------------------------------


def _filed_twice(acts: Acts) -> None:
    """Let one large object in whose transaction is done twice, though it was committed the first time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Commits, "_was_committed", _guess(False))
        acts.product.receive([LARGE_IMAGE.file])
    acts.model.take(LARGE_IMAGE)


def test_law_8_an_object_that_is_filed_twice_knows_its_own_row(
    cut_acts: tuple[Acts, ConnectionCutter],
) -> None:
    acts, cutter = cut_acts
    acts.receive(Image(SECOND, 1))
    cutter.cut(Cut.ANSWER)
    _filed_twice(acts)
    hold_all(acts, cutter)


def test_law_8_no_file_goes_that_a_row_has(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever led to the belief that an object is not kept."""

    def told_wrongly(transaction: Any, arrivals: list[Arrival], *rest: Any) -> list[Filed]:
        return [
            Filed(arrival.outcome("known"), kept=False)
            for arrival in arrivals
            if file_arrivals(transaction, [arrival], *rest)
        ]

    monkeypatch.setattr("kinote.intake.committer.file_arrivals", told_wrongly)
    acts.product.receive([LARGE_IMAGE.file])
    acts.model.take(LARGE_IMAGE)
    hold_law_7(acts)
    hold_law_8(acts)


def test_law_8_a_file_stays_where_nobody_can_say_whether_a_row_has_it(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts.receive(LARGE_IMAGE)
    before = acts.product.places()

    def fails(*_: object) -> bool:
        raise OperationalError("SELECT", None, Exception("no connection"))

    monkeypatch.setattr(receiving, "is_owned", fails)
    assert [each.kind for each in acts.product.receive([LARGE_IMAGE.file])] == ["known"]
    assert len(acts.product.places()) == len(before) + 1


def test_law_8_a_remembered_file_stays_that_a_row_has(acts: Acts) -> None:
    acts.receive(LARGE_IMAGE)
    (place,) = acts.product.places()
    acts.product.catalog.write(lambda transaction: remember(transaction, place, clock()))
    acts.product.restart()
    hold_law_7(acts)
    hold_law_8(acts)


def test_breach_of_law_8_a_file_that_goes_though_a_row_has_it_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_asked(receiver: Receiver, arrival: Arrival) -> None:
        assert arrival.file is not None
        receiver._stores.discard(arrival.file)

    monkeypatch.setattr(Receiver, "_remove", not_asked)
    with pytest.raises(AssertionError):
        test_law_8_no_file_goes_that_a_row_has(acts, monkeypatch)
