"""Faults that other systems have, or had: what must not happen here.

docs/laws.md has the table of all of them with their tests. Those that no other test proves are here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from kinote.dicom.dictionary.transfer_syntaxes import IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.information_models import STUDY_ROOT
from tests.actors import ORIGIN
from tests.kept_bytes import file_of
from tests.laws.acts import Acts
from tests.laws.arrivals import FIRST, LARGE, Image, data_set, image_uid
from tests.laws.audit import WAYS_OUT_OF_A_STUDY, hold_all
from tests.laws.living_product import LivingProduct, Sink, open_sink
from tests.laws.product import LIMIT
from tests.scp.requests import encoded, request

_ROOT = Path(__file__).parents[2]

IN_A_FILE = Image(FIRST, LARGE)


@contextmanager
def _product(folder: Path) -> Iterator[tuple[LivingProduct, Sink]]:
    with open_sink() as (sink, entity):
        product = LivingProduct(f"sqlite:///{folder / 'kinote.sqlite'}", folder, [entity])
        try:
            yield product, sink
        finally:
            product.close()


@pytest.fixture
def living(tmp_path: Path) -> Iterator[LivingProduct]:
    with _product(tmp_path) as (product, _):
        yield product


def withdraw(product: LivingProduct, *uids: str, act: str = "quality") -> int:
    body = {"act": act, "text": "a reason", "instances": list(uids)}
    answer = product.client.post("/api/v1/withdrawals", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def after_their_time(product: LivingProduct) -> None:
    for _ in range(3):
        product.pass_time(timedelta(days=1))
        product.windows.step()
        product.reaper.step()


def standings(product: LivingProduct) -> dict[str, str]:
    return {
        row.uid: row.standing
        for row in product.rows("SELECT sop_instance_uid AS uid, standing FROM instance WHERE is_current = 1")
    }


def test_the_same_object_twice_does_not_cost_the_file_of_the_first(sqlite_acts: Acts) -> None:
    sqlite_acts.receive(IN_A_FILE)
    for _ in range(2):
        assert sqlite_acts.receive(IN_A_FILE) == ["known"]
    assert sqlite_acts.receive(Image(FIRST, LARGE, content=1)) == ["held"]
    sqlite_acts.discard(0)
    sqlite_acts.restart()
    hold_all(sqlite_acts)


def test_the_same_object_sent_in_parallel_does_not_leave_a_part_of_it(living: LivingProduct) -> None:
    file = IN_A_FILE.file

    def send(_: int) -> str:
        upload = living.receiver.open(ORIGIN)
        for start in range(0, len(file), 7_000):
            upload.write(file[start : start + 7_000])
        return upload.finish().result(LIMIT).kind

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(send, range(6))) == ["known"] * 5 + ["stored"]
    assert list(living.stored_bytes().values()) == [data_set(file)]
    assert len(living.places()) == 1


def test_what_comes_back_does_not_leave_the_count_of_its_study_behind(living: LivingProduct) -> None:
    living.receive([Image(FIRST, number).file for number in (1, 2, LARGE)])
    key = withdraw(living, image_uid(FIRST, 1), image_uid(FIRST, 2))
    assert _counted(living) == 1
    assert living.client.request("DELETE", f"/api/v1/withdrawals/{key}").status_code == 200
    assert _counted(living) == 3


def _counted(product: LivingProduct) -> int:
    (study,) = product.get("/dicomweb/studies", StudyInstanceUID=FIRST)
    return int(study["00201208"]["Value"][0])


def test_a_file_that_is_gone_does_not_keep_others_from_being_purged(living: LivingProduct) -> None:
    living.receive([Image(FIRST, LARGE).file, Image(FIRST, 1).file])
    (place,) = [
        (row.store, row.file_key)
        for row in living.rows(
            "SELECT store, file_key FROM instance WHERE sop_instance_uid = :uid", uid=image_uid(FIRST, LARGE)
        )
    ]
    file_of(living.data, place).unlink()
    withdraw(living, image_uid(FIRST, LARGE), image_uid(FIRST, 1))
    after_their_time(living)
    assert set(standings(living).values()) == {"purged", "live"}
    assert living.rows("SELECT * FROM owed_removal") == []
    # What is live is the rejection note.
    assert [uid for uid, standing in standings(living).items() if standing == "live"] == [
        row.uid for row in living.rows("SELECT sop_instance_uid AS uid FROM rejection_note")
    ]


def test_a_delivery_of_which_a_part_failed_is_not_told_as_success(tmp_path: Path) -> None:
    with _product(tmp_path) as (product, sink):
        product.receive([Image(FIRST, number).file for number in (1, 2, LARGE)])
        sink.expect(1)
        with product.face.called((STUDY_ROOT.move, (IMPLICIT_VR_LITTLE_ENDIAN,))) as association:
            asked = encoded(request("STUDY", StudyInstanceUID=FIRST), IMPLICIT_VR_LITTLE_ENDIAN)
            last = list(invoking.move(association, STUDY_ROOT.move, "SINK", asked))[-1]
        assert (last.completed, last.failed) == (1, 2)
        assert last.status != statuses.SUCCESS
        product.ledger.write()
        states = [row.state for row in product.rows("SELECT state FROM delivery")]
        assert sorted(states) == ["failed", "failed", "given"]


def test_purged_and_unmade_objects_do_not_break_any_way_out(living: LivingProduct) -> None:
    living.receive([Image(FIRST, number).file for number in (1, 2, LARGE)])
    withdraw(living, image_uid(FIRST, 1), image_uid(FIRST, LARGE))
    after_their_time(living)
    live = sorted(uid for uid, standing in standings(living).items() if standing == "live")
    for name, way in WAYS_OUT_OF_A_STUDY.items():
        assert way(living, FIRST) == live, name
    (explained,) = living.items(f"instances/{image_uid(FIRST, LARGE)}/explain")
    assert (explained["standing"], explained["residence"]) == ("purged", "none")


def test_what_is_sent_again_under_another_patient_does_not_pass_for_the_former_ones_unseen(
    living: LivingProduct,
) -> None:
    """The study is known by its first instance, also once that is purged: then the difference is told."""
    living.receive([Image(FIRST, 1).file])
    withdraw(living, image_uid(FIRST, 1))
    after_their_time(living)
    others = Image(FIRST, 2).file.replace(b"Patient^P1", b"Patient^P9")
    assert [outcome.kind for outcome in living.receive([others])] == ["stored"]
    (explained,) = living.items(f"instances/{image_uid(FIRST, 2)}/explain")
    assert "STUDY_DIFFERS" in {each["code"] for each in explained["findings"]}


def test_each_fault_elsewhere_has_its_test() -> None:
    """Each test that the table names is there."""
    page = (_ROOT / "docs" / "laws.md").read_text("utf-8").partition("## Faults of other systems")[2]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) > 25
    for file, name in named:
        tree = ast.parse((_ROOT / file).read_text("utf-8"))
        assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, (file, name)
