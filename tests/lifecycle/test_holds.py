"""Holds: what they keep, what joins them, and what they stop."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from kinote.catalog.schema.tables import instance, patient
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.lifecycle.acts import QUALITY as BAD
from kinote.lifecycle.acts import RETENTION_EXPIRED
from kinote.lifecycle.holds.acts import WantedHold, end, place
from kinote.lifecycle.holds.hold import (
    HeldThing,
    Hold,
    HoldEndedError,
    HoldKind,
    HoldLevel,
    HoldNotFoundError,
    HoldRefusedError,
    OnHoldError,
)
from kinote.lifecycle.holds.lists import kept_by, page_of_holds
from kinote.lifecycle.holds.membership import holds_of
from kinote.notes.acts.rejection import reject
from tests.actors import ROE
from tests.lifecycle.rejected import EXPIRED, QUALITY, image, live, receive, rejection, withdrawals
from tests.lifecycle.rejected import findings as findings_of
from tests.notes.sample_studies import (
    FIRST,
    FIRST_STATE,
    IMAGE,
    IMAGE_2,
    NOW,
    OTHER_IMAGE,
    SECOND_IMAGE,
    fill,
    flag,
    made,
    request,
)

STUDY_HOLD = HeldThing(HoldLevel.STUDY, study_instance_uid=FIRST)
PATIENT_HOLD = HeldThing(HoldLevel.PATIENT, patient_id="P1")

LATER = NOW + timedelta(minutes=1)


def held(catalog: Catalog, thing: HeldThing = STUDY_HOLD, until: str = "", now: Any = NOW) -> Hold:
    wanted = WantedHold(HoldKind.LEGAL, thing, "A case is open", until)
    return catalog.write(lambda transaction: place(transaction, wanted, by=ROE, now=now))


def on_hold(catalog: Catalog, now: Any = LATER) -> set[str]:
    with catalog.read() as connection:
        rows = connection.execute(select(instance.c.id, instance.c.sop_instance_uid)).all()
        uids = {row.id: row.sop_instance_uid for row in rows}
        return {uids[key] for key in holds_of(connection, list(uids), now)}


def test_a_hold_on_a_study_keeps_all_of_it_and_what_joins_it(catalog: Catalog) -> None:
    fill(catalog)
    one = held(catalog)
    assert {IMAGE, FIRST_STATE} < on_hold(catalog)
    assert not {SECOND_IMAGE, OTHER_IMAGE} & on_hold(catalog)
    receive(catalog, image("1.2.1.9.1"))
    assert "1.2.1.9.1" in on_hold(catalog)
    with catalog.read() as connection:
        kept = kept_by(connection, one)
    assert (kept.studies, kept.instances, kept.withdrawn) == (1, 7, 0)


def test_a_hold_on_a_patient_keeps_later_studies_and_those_of_merged_patients(catalog: Catalog) -> None:
    fill(catalog)
    one = held(catalog, PATIENT_HOLD)
    receive(catalog, image("1.4.1.1.1", PatientID="P1"))
    assert {IMAGE, SECOND_IMAGE, "1.4.1.1.1"} < on_hold(catalog)
    assert OTHER_IMAGE not in on_hold(catalog)
    of = {"P1": select(patient.c.id).where(patient.c.patient_id == "P1").scalar_subquery()}
    merging = update(patient).where(patient.c.patient_id == "P2").values(merged_into=of["P1"])
    catalog.write(lambda transaction: transaction.execute(merging))
    assert OTHER_IMAGE in on_hold(catalog)
    with catalog.read() as connection:
        assert kept_by(connection, one).studies == 4


def test_a_hold_on_a_note_keeps_its_documents_and_what_any_version_names(catalog: Catalog) -> None:
    fill(catalog)
    note = made(catalog, request(flag(IMAGE, presentation_state_uid=FIRST_STATE)))
    one = held(catalog, HeldThing(HoldLevel.NOTE, note=note.id))
    (document,) = (carrier.sop_instance_uid for carrier in note.key_objects)
    assert on_hold(catalog) == {IMAGE, FIRST_STATE, document}
    with catalog.read() as connection:
        assert kept_by(connection, one).instances == 3


def test_a_hold_may_come_before_what_it_keeps(catalog: Catalog) -> None:
    held(catalog)
    assert on_hold(catalog) == set()
    fill(catalog)
    assert IMAGE in on_hold(catalog)


def test_a_hold_ends_at_its_time_or_by_a_person_and_only_once(catalog: Catalog) -> None:
    fill(catalog)
    one = held(catalog, until="2026-11-25T00:00:00.000000+00:00")
    assert IMAGE in on_hold(catalog)
    assert on_hold(catalog, NOW + timedelta(days=1)) == set()
    second = held(catalog)
    catalog.write(lambda transaction: end(transaction, one.id, "settled", by=ROE, now=LATER))
    assert IMAGE in on_hold(catalog)
    ended = catalog.write(lambda transaction: end(transaction, second.id, "settled", by=ROE, now=LATER))
    assert on_hold(catalog) == set()
    assert (ended.ended_because, ended.is_in_force(NOW)) == ("settled", False)
    with pytest.raises(HoldEndedError, match="was ended at"):
        catalog.write(lambda transaction: end(transaction, one.id, "again", by=ROE, now=LATER))
    with catalog.read() as connection:
        assert page_of_holds(connection, with_ended=False, before=None, limit=9) == []
        every = page_of_holds(connection, with_ended=True, before=None, limit=9)
    assert [each.id for each in every] == [second.id, one.id]


REFUSED = [
    ("reason", WantedHold(HoldKind.LEGAL, STUDY_HOLD, " ")),
    ("until", WantedHold(HoldKind.LEGAL, STUDY_HOLD, "x", "2020-01-01T00:00:00.000000+00:00")),
    ("patient", WantedHold(HoldKind.LEGAL, HeldThing(HoldLevel.PATIENT), "x")),
    ("note", WantedHold(HoldKind.LEGAL, HeldThing(HoldLevel.NOTE, note=99), "x")),
]


@pytest.mark.parametrize(("field", "wanted"), REFUSED, ids=[field for field, _ in REFUSED])
def test_what_is_refused_names_its_field(catalog: Catalog, field: str, wanted: WantedHold) -> None:
    with pytest.raises(HoldRefusedError) as refused:
        catalog.write(lambda transaction: place(transaction, wanted, by=ROE, now=NOW))
    assert refused.value.field == field
    with pytest.raises(HoldNotFoundError):
        catalog.write(lambda transaction: end(transaction, 99, "x", by=ROE, now=NOW))


def test_a_received_113039_has_no_effect_on_what_is_on_hold(catalog: Catalog) -> None:
    fill(catalog)
    held(catalog)
    note = rejection("1.2.1.80.1", IMAGE, SECOND_IMAGE, title=EXPIRED, copies=["1.2.2.90.1"])
    receive(catalog, note, now=LATER)
    assert IMAGE in live(catalog)
    assert SECOND_IMAGE not in live(catalog)
    ((_, _, _, targets),) = withdrawals(catalog)
    assert dict(targets) == {IMAGE: "on hold", SECOND_IMAGE: ""}
    assert [code for _, code, _ in findings_of(catalog)] == ["REJECTION_ON_HOLD"]
    # Quality and safety are no matter of time.
    receive(catalog, rejection("1.2.1.81.1", IMAGE_2, title=QUALITY), now=LATER)
    assert IMAGE_2 not in live(catalog)


def test_what_joins_a_hold_is_spared_by_a_113039_that_came_after_the_hold(catalog: Catalog) -> None:
    fill(catalog)
    late, early = "1.2.1.9.1", "1.2.2.9.1"
    held(catalog)
    receive(catalog, rejection("1.2.1.80.1", late, early, title=EXPIRED, copies=["1.2.2.90.1"]), now=LATER)
    # A hold that is placed later changes nothing of what was asked for before.
    held(catalog, HeldThing(HoldLevel.STUDY, study_instance_uid="1.2.2"), now=LATER + timedelta(minutes=1))
    receive(catalog, image(late), image(early), now=LATER + timedelta(minutes=2))
    assert late in live(catalog)
    assert early not in live(catalog)


def test_what_is_on_hold_does_not_expire_by_a_person(catalog: Catalog) -> None:
    fill(catalog)
    one = held(catalog)
    with pytest.raises(OnHoldError, match=f"hold {one.id}"):
        catalog.write(
            lambda transaction: reject(
                transaction, [IMAGE, OTHER_IMAGE], act=RETENTION_EXPIRED, text="", by=ROE, now=LATER
            )
        )
    assert {IMAGE, OTHER_IMAGE} <= set(live(catalog))
    catalog.write(
        lambda transaction: reject(transaction, [IMAGE], act=BAD, text="blurred", by=ROE, now=LATER)
    )
    assert IMAGE not in live(catalog)
    assert IMAGE in on_hold(catalog)


def test_no_instances_are_walked_through(sqlite_url: str) -> None:
    catalog = Catalog(CatalogOptions(sqlite_url))
    held(catalog)
    held(catalog, PATIENT_HOLD)
    fill(catalog)
    seen: list[str] = []
    with catalog.read() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_trace_callback(seen.append)
        holds_of(connection, [1, 2], LATER)
        driver.set_trace_callback(None)
        asked = [statement for statement in seen if statement.lstrip().upper().startswith("SELECT")]
        steps = [step for each in asked for *_, step in driver.execute("EXPLAIN QUERY PLAN " + each)]
    catalog.close()
    assert len(asked) == 7
    walked = [step for step in steps if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]
    # Open holds are few; those that have ended are not looked at.
    assert [step for step in walked if not step.startswith("SCAN hold USING")] == [], steps
