"""Why something is missing: a test for each cause, in the order of docs/troubleshooting.md."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from kinote.catalog.known_systems.told_availability_rows import Told, record
from kinote.catalog.schema.tables import instance, peer
from kinote.catalog.transactions.catalog import Catalog
from kinote.intake.outcome import CANNOT_UNDERSTAND, aborted, refused
from kinote.intake.refusals import PER_HOUR, RefusedArrivals
from kinote.keyobject.titles import REJECTED_FOR_QUALITY_REASONS
from kinote.lifecycle.acts import SAFETY
from kinote.lifecycle.explaining.asked import Asked, Cause
from kinote.lifecycle.explaining.explain import explain
from kinote.lifecycle.explaining.missing import CODES, missing
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.purging.tombstones import entomb
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from tests.actors import ORIGIN, ROE
from tests.notes.sample_studies import (
    FIRST,
    IMAGE,
    NOW,
    OTHER,
    OTHER_IMAGE,
    SECOND,
    SECOND_IMAGE,
    dataset,
    fill,
    key_object,
    object_of,
    receive,
)
from tests.notes.test_crossing import unreadable

KOS = "1.2.1.9.1"


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    fill(catalog)
    return catalog


def asked(catalog: Catalog, **what: str) -> list[Cause]:
    with catalog.read() as connection:
        return missing(connection, Asked(**what))


def codes(catalog: Catalog, **what: str) -> list[str]:
    return [cause.code for cause in asked(catalog, **what)]


def withdraw_image(catalog: Catalog) -> None:
    catalog.write(lambda tx: withdraw(tx, [IMAGE], act=SAFETY, text="", by=ROE, now=NOW))


def test_the_page_has_all_causes_in_their_order() -> None:
    page = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
    assert tuple(re.findall(r"^\| `([A-Z_]+)` \|", page.read_text(), re.MULTILINE)) == CODES


@pytest.mark.parametrize(
    "what", [{"accession": "none"}, {"study": "1.9"}, {"instance": "1.9.1"}, {"patient": "P9"}]
)
def test_what_was_never_offered(filled: Catalog, what: dict[str, str]) -> None:
    assert codes(filled, **what) == ["NEVER_OFFERED"]


def test_what_a_sender_offered_and_was_refused_or_broken_off(filled: Catalog) -> None:
    refusals = RefusedArrivals(filled, lambda: NOW)
    for outcome in (
        refused(CANNOT_UNDERSTAND, "It is truncated.", sop_instance_uid="1.9.1"),
        aborted("The association ended.", sop_instance_uid="1.9.2"),
    ):
        refusals.note(outcome.sent_by(ORIGIN))
    refusals.step()
    (cause,) = asked(filled, instance="1.9.1")
    assert (cause.code, cause.count) == ("REFUSED", 1)
    assert "C000H: It is truncated." in cause.sentence
    (cause,) = asked(filled, instance="1.9.2")
    assert "broken off" in cause.sentence
    first, *_ = asked(filled, sender=ORIGIN.actor.name, since=(NOW - timedelta(hours=1)).isoformat())
    assert (first.code, first.count, set(first.uids)) == ("REFUSED", 2, {"1.9.1", "1.9.2"})
    assert codes(filled, sender=ORIGIN.actor.name, since="2999") == ["NEVER_OFFERED"]


@pytest.mark.parametrize(
    "what",
    [{"accession": "none"}, {"study": "1.9"}, {"patient": "P9"}],
    ids=["accession", "study", "patient"],
)
def test_what_may_have_been_refused_before_it_could_be_told(filled: Catalog, what: dict[str, str]) -> None:
    refusals = RefusedArrivals(filled, lambda: NOW)
    refusals.note(refused(CANNOT_UNDERSTAND, "It is truncated.", sop_instance_uid="1.9.1").sent_by(ORIGIN))
    refusals.step()
    (cause,) = asked(filled, **what)
    assert cause.code == "NEVER_OFFERED"
    assert "refused it before" in cause.sentence
    (cause,) = asked(filled, since=(NOW + timedelta(days=1)).isoformat(), **what)
    assert "has never been offered" in cause.sentence


def test_an_instance_may_be_among_those_of_which_only_the_number_is_known(filled: Catalog) -> None:
    refusals = RefusedArrivals(filled, lambda: NOW)
    for at in range(PER_HOUR + 1):
        outcome = refused(CANNOT_UNDERSTAND, "It is truncated.", sop_instance_uid=f"1.9.{at}")
        refusals.note(outcome.sent_by(ORIGIN))
        if at == 0:
            refusals.step()
            (cause,) = asked(filled, instance="1.8.1")
            assert "has never been offered" in cause.sentence
    refusals.step()
    (cause,) = asked(filled, instance="1.8.1")
    assert "refused it before" in cause.sentence


def test_a_refused_object_is_found_by_a_uid_that_is_too_long(filled: Catalog) -> None:
    uid = "1." + "2" * 100
    refusals = RefusedArrivals(filled, lambda: NOW)
    refusals.note(refused(CANNOT_UNDERSTAND, "No UID.", sop_instance_uid=uid).sent_by(ORIGIN))
    refusals.step()
    assert codes(filled, instance=uid) == ["REFUSED"]


def test_what_is_held(filled: Catalog) -> None:
    receive(filled, dataset(object_of(IMAGE, InstanceNumber=7)))
    (cause,) = asked(filled, study=FIRST)
    assert (cause.code, cause.uids) == ("HELD", (IMAGE,))
    assert codes(filled, instance=IMAGE) == ["HELD"]


def test_a_key_object_that_is_unreadable(filled: Catalog) -> None:
    (outcome,) = receive(filled, unreadable())
    assert outcome.registration == "unreadable"
    assert codes(filled, instance=outcome.sop_instance_uid) == ["UNREADABLE"]
    assert "UNREADABLE" in codes(filled, study=outcome.study_instance_uid)


def test_a_title_that_is_never_shown(filled: Catalog) -> None:
    receive(filled, key_object(KOS, IMAGE, title=REJECTED_FOR_QUALITY_REASONS))
    assert codes(filled, instance=KOS) == ["HIDDEN_TITLE"]


def test_references_that_are_pending(filled: Catalog) -> None:
    receive(filled, key_object(KOS, IMAGE, "1.2.1.1.77"))
    (cause,) = asked(filled, study=FIRST)
    assert (cause.code, cause.uids) == ("PENDING", ("1.2.1.1.77",))


def test_references_that_are_foreign(filled: Catalog) -> None:
    receive(filled, key_object(KOS, IMAGE, OTHER_IMAGE, copies=("1.3.1.9.1",)))
    (cause,) = asked(filled, study=OTHER)
    assert (cause.code, cause.uids) == ("FOREIGN", (OTHER_IMAGE,))


def test_what_is_withdrawn_and_then_purged(filled: Catalog) -> None:
    withdraw_image(filled)
    (cause,) = asked(filled, study=FIRST)
    assert (cause.code, cause.uids) == ("WITHDRAWN", (IMAGE,))
    with filled.read() as connection:
        keys = list(
            connection.execute(instance.select().where(instance.c.sop_instance_uid == IMAGE)).scalars()
        )
    now = NOW + timedelta(days=4000)
    assert filled.write(lambda tx: entomb(tx, keys, PurgeDelays(timedelta()), now))
    assert codes(filled, instance=IMAGE) == ["PURGED"]


def test_a_study_that_is_another_patients(filled: Catalog) -> None:
    (cause,) = asked(filled, study=FIRST, patient="P2")
    assert (cause.code, cause.uids) == ("OTHER_PATIENT", (FIRST,))
    assert "P1" in cause.sentence
    assert codes(filled, study=FIRST, patient="P1") == ["RIGHT_OR_FILTER"]


def test_an_order_with_several_studies(filled: Catalog) -> None:
    receive(filled, dataset(object_of("1.2.5.1.1", AccessionNumber=f"A{SECOND}")))
    (cause,) = asked(filled, accession=f"A{SECOND}")
    assert (cause.code, set(cause.uids)) == ("OTHER_STUDY", {SECOND, "1.2.5"})


def test_objects_that_a_peer_has_and_that_have_not_arrived(filled: Catalog) -> None:
    def tell(transaction: Connection) -> None:
        key = transaction.execute(
            peer.insert().returning(peer.c.id),
            {"name": "ARCHIVE", "origin": "people", "added_at": "", "changed_at": ""},
        ).scalar_one()
        told = [
            Told(SECOND_IMAGE, "ONLINE", "PACS"),
            Told("1.2.2.1.77", "NEARLINE", "PACS"),
            Told("1.2.2.1.78", "UNAVAILABLE", "PACS"),
        ]
        record(transaction, key, SECOND, told, now=NOW)

    filled.write(tell)
    (cause,) = asked(filled, study=SECOND)
    assert (cause.code, cause.uids) == ("AT_A_PEER", ("1.2.2.1.77",))
    assert codes(filled, instance="1.2.2.1.77") == ["NEVER_OFFERED", "AT_A_PEER"]
    assert codes(filled, instance=SECOND_IMAGE) == ["RIGHT_OR_FILTER"]
    with filled.read() as connection:
        (explained,) = explain(connection, SECOND_IMAGE)
    assert any("The peer ARCHIVE said" in each and "ONLINE there" in each for each in explained.sentences)


def test_bytes_that_are_damaged(filled: Catalog) -> None:
    filled.write(
        lambda tx: tx.execute(
            update(instance).where(instance.c.sop_instance_uid == SECOND_IMAGE).values(residence="damaged")
        )
    )
    assert codes(filled, accession=f"A{SECOND}") == ["DAMAGED"]


def test_what_is_there_is_hidden_by_something_else(filled: Catalog) -> None:
    (cause,) = asked(filled, study=SECOND)
    assert (cause.code, cause.count) == ("RIGHT_OR_FILTER", 2)
    assert codes(filled, patient="P2") == ["RIGHT_OR_FILTER"]


def test_several_causes_come_in_their_order(filled: Catalog) -> None:
    receive(filled, dataset(object_of(IMAGE, InstanceNumber=7)))
    receive(filled, key_object(KOS, IMAGE, "1.2.1.1.77"))
    withdraw_image(filled)
    found = codes(filled, study=FIRST)
    assert found == ["HELD", "PENDING", "WITHDRAWN"]
    assert found == sorted(found, key=CODES.index)
