"""Copies that differ in attributes of patient, study or order alone: a success, kept as a proposed correction.

Another patient is never only a proposal: the copy is held, and the study says so until somebody has decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from kinote.catalog.instances import packed_header
from kinote.catalog.schema.tables import proposed_correction_copy
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.door import Door
from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.lifecycle import held
from kinote.lifecycle.copies.choices import Choice
from kinote.lifecycle.copies.patient_conflicts import conflicts, contradicts, hindrances_to_delivery
from kinote.lifecycle.copies.proposed_corrections import (
    CorrectionNotFoundError,
    dismiss,
    proposed_corrections,
)
from kinote.lifecycle.held import HeldSelection
from kinote.notes.copies.deciding import decide
from kinote.storage.local import local_stores
from kinote.storage.stores import Stores
from tests.actors import ORIGIN, ROE
from tests.clock import clock
from tests.intake.objects import image

STUDY = "1.2.3"


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    stores = local_stores(tmp_path / "data")
    yield stores
    stores.close()


@pytest.fixture
def receiver(catalog: Catalog, stores: Stores) -> Iterator[Receiver]:
    door = Door(catalog, stores, clock=clock)
    receiver = Receiver(catalog, stores, clock=clock, open_copy=door.open_copy)
    yield receiver
    receiver.close()


def receive(receiver: Receiver, *files: bytes) -> list[Outcome]:
    futures = []
    for data in files:
        upload = receiver.open(ORIGIN)
        upload.write(data)
        futures.append(upload.finish())
    return [future.result(30) for future in futures]


def proposals(catalog: Catalog) -> list[Any]:
    with catalog.read() as connection:
        return proposed_corrections(connection)


PROPOSING: dict[str, dict[str, Any]] = {
    "name": {"PatientName": "Doe^Janet"},
    "order": {"AccessionNumber": "A2", "StudyID": "S2"},
    "issuer where there was none": {"IssuerOfPatientID": "HOSPITAL"},
}


@pytest.mark.parametrize("attributes", PROPOSING.values(), ids=PROPOSING)
def test_other_values_of_patient_study_or_order_alone_are_a_success_and_a_proposal(
    catalog: Catalog, receiver: Receiver, attributes: dict[str, Any]
) -> None:
    receive(receiver, image())
    (outcome,) = receive(receiver, image(**attributes))
    assert (outcome.kind, outcome.warning) == ("known", None)
    (proposal,) = proposals(catalog)
    assert proposal.study_instance_uid == STUDY
    assert {name: each["said"] for name, each in proposal.differences.items()} == {
        name: [value] for name, value in attributes.items()
    }
    with catalog.read() as connection:
        assert held.held(connection) == []
        assert conflicts(connection, [STUDY]) == {}
        (copy,) = connection.execute(select(proposed_correction_copy))
    assert all(str(value) in packed_header.unpack(copy.header).decode() for value in attributes.values())


def test_all_copies_of_a_study_are_one_proposal_and_a_repeated_one_counts_once(
    catalog: Catalog, receiver: Receiver
) -> None:
    receive(receiver, image(1), image(2))
    for _ in range(2):
        receive(receiver, image(1, AccessionNumber="A2"), image(2, AccessionNumber="A2"))
    receive(receiver, image(2, AccessionNumber="A3"))
    (proposal,) = proposals(catalog)
    assert proposal.copies == 3
    assert proposal.differences == {"AccessionNumber": {"known": "", "said": ["A2", "A3"]}}


def test_a_dismissed_proposal_stays_and_a_further_copy_begins_another(
    catalog: Catalog, receiver: Receiver
) -> None:
    receive(receiver, image(), image(AccessionNumber="A2"))
    (first,) = proposals(catalog)

    def dismissing(transaction: Any) -> None:
        dismiss(transaction, first.id, because="It was a test", by=ROE, now=clock())

    catalog.write(dismissing)
    assert proposals(catalog) == []
    with pytest.raises(CorrectionNotFoundError):
        catalog.write(dismissing)
    receive(receiver, image(AccessionNumber="A3"))
    (second,) = proposals(catalog)
    assert second.id != first.id


@pytest.mark.parametrize(
    "attributes",
    [{"PatientComments": "x", "AccessionNumber": "A2"}, {"InstanceNumber": 7}, {"SeriesDescription": "x"}],
    ids=str,
)
def test_anything_else_is_held(catalog: Catalog, receiver: Receiver, attributes: dict[str, Any]) -> None:
    receive(receiver, image())
    (outcome,) = receive(receiver, image(**attributes))
    assert outcome.kind == "held"
    assert proposals(catalog) == []


@pytest.mark.parametrize(
    "attributes",
    [{"PatientID": "P2"}, {"PatientID": "P2", "PatientComments": "x"}],
    ids=["alone", "and more"],
)
def test_another_patient_is_held_and_stops_automatic_deliveries_until_it_is_decided(
    catalog: Catalog, receiver: Receiver, attributes: dict[str, Any]
) -> None:
    receive(receiver, image(1), image(2, StudyInstanceUID="1.2.9"))
    (outcome,) = receive(receiver, image(1, **attributes))
    assert outcome.kind == "held"
    assert proposals(catalog) == []
    with catalog.read() as connection:
        (stopped,) = hindrances_to_delivery(connection, [STUDY, "1.2.9"]).items()
    assert stopped[0] == STUDY
    assert "P2" in stopped[1]
    assert "P1" in stopped[1]
    receiver.write_and_remove(
        lambda transaction: decide(
            transaction, HeldSelection(), Choice.KEEP_FIRST, text="Typed wrongly", by=ROE, now=clock()
        )
    )
    with catalog.read() as connection:
        assert hindrances_to_delivery(connection, [STUDY]) == {}


@pytest.mark.parametrize(
    ("known", "said", "ought"),
    [
        (("P1", ""), ("P1", ""), False),
        (("P1", ""), ("P2", ""), True),
        (("P1", "A"), ("P1", "B"), True),
        (("P1", "A"), ("P1", ""), False),
        (("", ""), ("P1", "A"), False),
    ],
)
def test_a_patient_is_contradicted_by_another_id_or_issuer(
    known: tuple[str, str], said: tuple[str, str], ought: bool
) -> None:
    assert contradicts(known, said) is ought


@pytest.mark.parametrize("choice", [Choice.TAKE_SECOND, Choice.KEEP_BOTH])
def test_both_copies_are_known_when_they_come_again_after_a_decision(
    catalog: Catalog, receiver: Receiver, choice: Choice
) -> None:
    both = image(), image(PatientComments="x")
    receive(receiver, *both)
    receiver.write_and_remove(
        lambda transaction: decide(
            transaction, HeldSelection(), choice, text="Sent twice", by=ROE, now=clock()
        )
    )
    assert [each.kind for each in receive(receiver, *both)] == ["known", "known"]
    with catalog.read() as connection:
        assert held.held(connection) == []
