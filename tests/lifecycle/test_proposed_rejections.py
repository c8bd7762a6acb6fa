"""Rejections that wait for a person: accepted, they act as any other; refused, they end without a trace in use."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, withdrawal, withdrawal_target
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.keyobject import reader
from kinote.keyobject.codes import Code
from kinote.keyobject.model import Reference
from kinote.lifecycle.explaining.account import account
from kinote.lifecycle.explaining.explain import explain
from kinote.lifecycle.rejection import waiting as waiting_rejections
from kinote.lifecycle.rejection.later_copies import in_force
from kinote.lifecycle.rejection.proposals import (
    Rejection,
    RejectionDecidedError,
    RejectionNotFoundError,
    accept,
    refuse,
    rejected_instances,
    rejections,
    urgent,
    waiting,
)
from kinote.lifecycle.rejection.rules import Effect, RejectionRules
from kinote.lifecycle.standing import settle
from kinote.lifecycle.withdrawals.withdrawal import undo
from kinote.notes.lists.queries import notes_of_study
from kinote.notes.registrar.again import register_again
from kinote.notes.registrar.register import ReceivedKeyObject
from tests.actors import ROE
from tests.lifecycle.rejected import (
    ARCHIVE,
    EXPIRED,
    QUALITY,
    RULES,
    SAFETY,
    STRANGER,
    TITLES,
    WORKLIST,
    end_state,
    findings,
    image,
    live,
    receive,
    rejection,
    with_title,
)
from tests.notes.sample_studies import FIRST, IMAGE, IMAGE_2, KEY_OBJECT, NOW, OTHER_IMAGE, key_object, place

NOTE, KOS = "1.2.1.80.1", "1.2.1.70.1"
COPY = "1.3.1.80.1"


def propose(catalog: Catalog, title: Code = SAFETY) -> int:
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE, IMAGE_2, title=title), by=STRANGER)
    return listed(catalog)[-1].id


def listed(catalog: Catalog, *, everything: bool = False) -> list[Rejection]:
    with catalog.read() as connection:
        return rejections(connection, everything=everything)


def accepted(catalog: Catalog, key: int, rules: RejectionRules = RULES) -> Rejection:
    return catalog.write(lambda tx: accept(tx, key, rules, reason="It is so", by=ROE, now=NOW))


def refused(catalog: Catalog, key: int) -> Rejection:
    return catalog.write(lambda tx: refuse(tx, key, reason="It is not", by=ROE, now=NOW))


@pytest.mark.parametrize("title", TITLES, ids=lambda title: title.value)
def test_what_waits_is_listed_with_its_sender(catalog: Catalog, title: Code) -> None:
    propose(catalog, title)
    (found,) = listed(catalog)
    assert (found.state, found.rejection_note_uid, found.study_instance_uid) == ("waiting", NOTE, FIRST)
    assert (found.title, found.text, found.by) == (title, "Blurred", STRANGER)
    assert (found.instances, found.spared) == (2, 0)
    with catalog.read() as connection:
        assert [
            (one.sop_instance_uid, one.standing) for one in rejected_instances(connection, found.id, limit=9)
        ] == [
            (IMAGE, "live"),
            (IMAGE_2, None),
        ]
        assert waiting(connection) == {title.value: 1}
        assert bool(urgent(connection, 10)) == (title == SAFETY)


def test_law_4_what_is_accepted_takes_effect_also_on_what_comes_later(catalog: Catalog) -> None:
    key = propose(catalog)
    assert live(catalog) == [IMAGE, NOTE]
    decided = accepted(catalog, key)
    assert (decided.state, decided.effect, decided.decided_by) == ("in force", "hidden", ROE)
    assert decided.decided_because == "It is so"
    assert live(catalog) == [NOTE]
    receive(catalog, image(IMAGE_2))
    assert live(catalog) == [NOTE]
    assert listed(catalog) == []
    assert [one.id for one in listed(catalog, everything=True)] == [key]
    with catalog.read() as connection:
        assert waiting(connection) == {}


@pytest.mark.parametrize("title", TITLES, ids=lambda title: title.value)
def test_what_is_refused_changes_nothing(catalog: Catalog, title: Code) -> None:
    """Whatever the title: of a rejection that came from elsewhere, nobody was told by us."""
    key = propose(catalog, title)
    assert refused(catalog, key).state == "refused"
    receive(catalog, image(IMAGE_2))
    assert live(catalog) == [IMAGE, IMAGE_2, NOTE]
    assert listed(catalog) == []


def test_a_decision_is_made_once(catalog: Catalog) -> None:
    key = propose(catalog)
    accepted(catalog, key)
    for again in (accepted, refused):
        with pytest.raises(RejectionDecidedError, match="is in force"):
            again(catalog, key)
    with pytest.raises(RejectionNotFoundError):
        accepted(catalog, key + 1)


def test_an_accepted_rejection_can_be_undone(catalog: Catalog) -> None:
    key = propose(catalog, QUALITY)
    accepted(catalog, key)
    catalog.write(lambda tx: undo(tx, key, by=ROE, now=NOW))
    assert live(catalog) == [IMAGE, NOTE]
    assert [one.state for one in listed(catalog, everything=True)] == ["undone"]


def test_another_patient_is_spared_by_a_person_s_decision_too(catalog: Catalog) -> None:
    note = rejection(NOTE, IMAGE, OTHER_IMAGE, copies=[COPY], title=WORKLIST)
    receive(catalog, image(IMAGE), note, by=STRANGER)
    receive(catalog, image(OTHER_IMAGE))
    (found,) = listed(catalog)
    assert (found.instances, found.spared) == (2, 1)
    accepted(catalog, found.id)
    assert live(catalog) == [NOTE, OTHER_IMAGE]


def test_images_and_key_objects_of_a_note_are_decided_together(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), key_object(KOS, IMAGE))
    receive(catalog, rejection(NOTE, IMAGE, Reference(place(KOS, KEY_OBJECT))), by=STRANGER)
    first, _ = listed(catalog)
    accepted(catalog, first.id, with_title(QUALITY, effect=Effect.MARKED))
    assert live(catalog) == [IMAGE, NOTE]
    assert [one.effect for one in listed(catalog, everything=True)] == ["marked", "hidden"]


def test_the_note_is_hidden_with_its_acceptance_where_it_is_not_shown(catalog: Catalog) -> None:
    key = propose(catalog)
    accepted(catalog, key, with_title(SAFETY, shows_note=False))
    assert live(catalog) == []


def test_accepted_is_as_if_the_sender_had_had_the_right(catalog: Catalog) -> None:
    key = propose(catalog)
    accepted(catalog, key)
    by_person = end_state(catalog)
    assert by_person[0] == [NOTE]
    assert by_person[3] == [(NOTE, "safety", "hidden", ((IMAGE, ""), (IMAGE_2, "")))]


def test_a_note_that_is_understood_only_later_waits_for_a_person(catalog: Catalog) -> None:
    """As after an update: it could not be read when it arrived, or an earlier version received it."""
    note = rejection(NOTE, IMAGE, title=SAFETY)
    receive(catalog, image(IMAGE), note)

    def forget(transaction: Connection) -> int:
        transaction.execute(withdrawal_target.delete())
        transaction.execute(withdrawal.delete())
        settle(transaction, [IMAGE], now=NOW)
        key = select(instance.c.id).where(instance.c.sop_instance_uid == NOTE)
        return int(transaction.execute(key).scalar_one())

    key = catalog.write(forget)
    again = ReceivedKeyObject(key, FIRST, NOTE, reader.read(note, EXPLICIT_VR_LITTLE_ENDIAN))
    for _ in range(2):
        catalog.write(lambda tx: register_again(tx, [again], NOW))
        (found,) = listed(catalog)
        assert (found.rejection_note_uid, found.by, found.state) == (NOTE, ARCHIVE, "waiting")
    assert live(catalog) == [IMAGE, NOTE]
    accepted(catalog, found.id)
    assert live(catalog) == [NOTE]


# --- what is said of them ---


def test_a_note_without_effect_says_so_until_it_is_accepted(catalog: Catalog) -> None:
    def codes() -> list[str]:
        with catalog.read() as connection:
            (note,) = notes_of_study(connection, FIRST, everything=True)
        return [finding.code for finding in note.findings]

    key = propose(catalog)
    assert codes() == ["REJECTION_NOT_AUTHORISED"]
    accepted(catalog, key)
    assert codes() == []


def sentences(catalog: Catalog, uid: str) -> str:
    with catalog.read() as connection:
        (copy,) = explain(connection, uid)
    return " ".join(copy.sentences)


def test_explain_says_who_rejected_and_what_it_does(catalog: Catalog) -> None:
    key = propose(catalog)
    said = sentences(catalog, IMAGE)
    assert "Rejected by the peer STRANGER (10.1.1.2) at " in said
    assert f"(safety): Rejected for Patient Safety Reasons. The rejection note is {NOTE}." in said
    assert "no effect until a person accepts it" in said
    accepted(catalog, key)
    assert "no effect" not in sentences(catalog, IMAGE)
    receive(
        catalog,
        image(IMAGE_2),
        rejection("1.2.1.80.2", IMAGE_2),
        rules=with_title(QUALITY, effect=Effect.MARKED),
    )
    receive(catalog, image(OTHER_IMAGE), rejection("1.2.1.80.3", OTHER_IMAGE, copies=[COPY]))
    assert "the rejection note is of another patient" in sentences(catalog, OTHER_IMAGE)


def test_explain_says_that_it_is_only_marked(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE), rules=with_title(QUALITY, effect=Effect.MARKED))
    assert "It is only marked, and stays in use." in sentences(catalog, IMAGE)


def test_the_account_of_a_study_names_the_rejection_and_its_peer(catalog: Catalog) -> None:
    propose(catalog)
    with catalog.read() as connection:
        found = account(connection, FIRST)
    assert found is not None
    (one,) = found.rejections
    assert (one.rejection_note_uid, one.effect, one.by) == (NOTE, "proposed", STRANGER)
    assert (one.title, one.sop_instance_uids) == ("Rejected for Patient Safety Reasons", (IMAGE,))


@pytest.mark.parametrize("at_once", [True, False])
def test_of_one_sender_no_more_wait_than_may(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """A sender that cannot reject must not bury the rejections of others, whatever it calls itself."""
    monkeypatch.setattr(waiting_rejections, "MOST_WAITING", 2)
    notes = [rejection(f"1.2.1.80.{number}", IMAGE) for number in range(1, 5)]
    receive(catalog, image(IMAGE))
    for group in [notes] if at_once else [[note] for note in notes]:
        receive(catalog, *group, by=replace(STRANGER, name="STRANGER 2"))
    assert [found.rejection_note_uid for found in listed(catalog)] == ["1.2.1.80.1", "1.2.1.80.2"]
    assert [(uid, code) for uid, code, _ in findings(catalog)] == [
        ("1.2.1.80.3", "REJECTION_LEFT_OUT"),
        ("1.2.1.80.4", "REJECTION_LEFT_OUT"),
    ]
    receive(catalog, rejection("1.2.1.80.5", IMAGE), by=STRANGER)
    assert len(listed(catalog)) == 2
    # Others have room of their own, and whoever may reject needs none.
    receive(catalog, rejection("1.2.1.80.6", IMAGE_2), by=replace(STRANGER, address="10.1.1.9"))
    assert len(listed(catalog)) == 3
    refused(catalog, listed(catalog)[0].id)
    receive(catalog, rejection("1.2.1.80.7", IMAGE), by=STRANGER)
    assert listed(catalog)[-1].rejection_note_uid == "1.2.1.80.7"
    receive(catalog, rejection("1.2.1.80.8", IMAGE), by=ARCHIVE)
    assert IMAGE not in live(catalog)


def test_a_note_that_was_left_out_waits_when_it_is_read_again_and_there_is_room(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_rejections, "MOST_WAITING", 1)
    second = rejection("1.2.1.80.2", IMAGE)
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE), second, by=STRANGER)
    with catalog.read() as connection:
        query = select(instance.c.id).where(instance.c.sop_instance_uid == "1.2.1.80.2")
        key = int(connection.execute(query).scalar_one())
    again = ReceivedKeyObject(key, FIRST, "1.2.1.80.2", reader.read(second, EXPLICIT_VR_LITTLE_ENDIAN))
    catalog.write(lambda tx: register_again(tx, [again], NOW))
    assert [code for _, code, _ in findings(catalog)] == ["REJECTION_LEFT_OUT"]
    refused(catalog, listed(catalog)[0].id)
    catalog.write(lambda tx: register_again(tx, [again], NOW))
    assert [found.rejection_note_uid for found in listed(catalog)] == ["1.2.1.80.2"]
    assert findings(catalog) == []


def test_rejections_that_wait_are_one_row_for_an_arrival(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE, title=SAFETY))
    notes = [rejection(f"1.2.1.81.{number}", IMAGE, title=EXPIRED) for number in range(1, 5)]
    receive(catalog, *notes, by=STRANGER)
    with catalog.read() as connection:
        found = in_force(connection, [IMAGE, IMAGE_2], RULES)
    assert {uid: sorted(one.hides for one in those) for uid, those in found.items()} == {IMAGE: [False, True]}


def test_an_accepted_rejection_counts_the_note_that_it_hides(catalog: Catalog) -> None:
    decided = accepted(catalog, propose(catalog), with_title(SAFETY, shows_note=False))
    assert decided.instances == 3
