"""The queries of the study list, the study page and the findings, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import finding, instance
from kinote.catalog.transactions.catalog import Catalog
from kinote.intake.receiver import Receiver
from kinote.lifecycle.findings.finding_list import found_objects
from kinote.lifecycle.held import HeldNotFoundError, held
from kinote.notes.lists.search import SearchError
from kinote.notes.lists.studies import StudyFilter, studies, study_detail
from kinote.storage.local import local_stores
from tests.actors import ORIGIN, ROE
from tests.clock import clock
from tests.held_copies import discard
from tests.kept_bytes import kept_below
from tests.web.objects import STUDY, as_file, image


@pytest.fixture
def receiver(catalog: Catalog, tmp_path: Path) -> Iterator[Receiver]:
    receiver = Receiver(catalog, local_stores(tmp_path / "data"), clock=clock)
    for number in (1, 2):
        store(receiver, as_file(image(number)))
    store(
        receiver,
        as_file(image(1, StudyInstanceUID="1.5", SOPInstanceUID="1.5.1.1", StudyDate="", Modality="MR")),
    )
    yield receiver
    receiver.close()


def store(receiver: Receiver, file: bytes) -> str:
    upload = receiver.open(ORIGIN)
    upload.write(file)
    return upload.finish().result().kind


@pytest.mark.parametrize("words", [33, 1000, 20_000])
def test_a_search_for_more_words_than_are_looked_for_is_refused(catalog: Catalog, words: int) -> None:
    with catalog.read() as connection:
        studies(connection, StudyFilter(text="w " * 32), after=None, limit=1)
        with pytest.raises(SearchError, match="at most 32 words"):
            studies(connection, StudyFilter(text="w " * words), after=None, limit=1)


def test_the_study_list(catalog: Catalog, receiver: Receiver) -> None:
    with catalog.read() as connection:
        first, following = studies(connection, StudyFilter(), after=None, limit=1)
        second, end = studies(connection, StudyFilter(), after=following, limit=1)
        assert [one["study_instance_uid"] for one in (*first, *second)] == [STUDY, "1.5"]
        assert end is None
        assert first[0]["modalities"] == ["CT"] and first[0]["thumbnail"] is not None
        assert (first[0]["image_count"], first[0]["image_series_count"]) == (2, 1)
        for wanted in (
            StudyFilter(text="jan"),
            StudyFilter(modality="ct"),
            StudyFilter(first_date="20260101", last_date="20261231"),
            StudyFilter(patient="P1", modality="CT"),
        ):
            found, _ = studies(connection, wanted, after=None, limit=10)
            assert STUDY in [one["study_instance_uid"] for one in found]
        assert studies(connection, StudyFilter(with_notes=True), after=None, limit=10) == ([], None)
        assert studies(connection, StudyFilter(title="DCM|113000"), after=None, limit=10) == ([], None)
        detail = study_detail(connection, STUDY)
        assert detail is not None
        assert [one["number"] for one in detail["series"][0]["instances"]] == [1, 2]


def test_findings_by_severity(catalog: Catalog, receiver: Receiver) -> None:
    def note(transaction: Connection) -> None:
        keys = list(transaction.execute(instance.select().order_by(instance.c.id)).scalars())
        rows = [
            {"instance": key, "code": "X", "severity": severity, "place": "", "text": "t"}
            for key, severity in zip(keys, ("info", "warning", "error"), strict=True)
        ]
        transaction.execute(finding.insert(), rows)

    catalog.write(note)
    with catalog.read() as connection:
        page, following = found_objects(connection, "warning", before=None, limit=1)
        rest, end = found_objects(connection, "warning", before=following, limit=1)
        assert [one["findings"][0]["severity"] for one in (*page, *rest)] == ["error", "warning"]
        assert end is None


def test_a_held_copy_is_discarded_with_its_file(catalog: Catalog, receiver: Receiver, tmp_path: Path) -> None:
    assert store(receiver, as_file(image(1, PatientComments="other"))) == "held"
    before = kept_below(tmp_path / "data")
    with catalog.read() as connection:
        (copy,) = held(connection)
    receiver.write_and_remove(lambda tx: discard(tx, copy.id, ROE, receiver.clock()))
    assert len(before - kept_below(tmp_path / "data")) == 1
    with pytest.raises(HeldNotFoundError):
        receiver.write_and_remove(lambda tx: discard(tx, copy.id, ROE, receiver.clock()))


def test_the_number_of_a_held_copy_is_never_anothers(catalog: Catalog, receiver: Receiver) -> None:
    """Whoever decides about a copy that is gone decides about no other."""
    numbers = []
    for other in ("one", "two", "three"):
        assert store(receiver, as_file(image(1, PatientComments=other))) == "held"
        with catalog.read() as connection:
            (copy,) = held(connection)
        receiver.write_and_remove(partial(discard, key=copy.id, by=ROE, now=receiver.clock()))
        numbers.append(copy.id)
    assert store(receiver, as_file(image(9))) == "stored"
    with catalog.read() as connection:
        keys = connection.execute(select(instance.c.id)).scalars().all()
    assert len({*numbers, *keys}) == len(numbers) + len(keys)
