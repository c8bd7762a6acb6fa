"""Deciding about held copies: what becomes of both, in one transaction (laws 1, 4 and 7)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.instances.headers import headers
from kinote.catalog.queries.matching import Query, search
from kinote.catalog.queries.matching_keys import Level
from kinote.catalog.schema.tables import (
    decided_copy,
    delivery,
    finding,
    instance,
    instance_bytes,
    received_value,
    study,
    withdrawal,
)
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.keyobject import reader
from kinote.keyobject.titles import REJECTED_FOR_QUALITY_REASONS
from kinote.lifecycle import counts, held
from kinote.lifecycle.copies import candidates
from kinote.lifecycle.copies.choices import ABOUT_HELD, WAYS, Asked, Choice, First, Way
from kinote.lifecycle.copies.decided import record_decision
from kinote.lifecycle.copies.patient_conflicts import conflicts
from kinote.lifecycle.held import HeldSelection
from kinote.lifecycle.holds.acts import WantedHold, end, place
from kinote.lifecycle.holds.hold import HeldThing, HoldKind, HoldLevel, OnHoldError
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.lifecycle.owed.recording import record_given
from kinote.lifecycle.standing import resulting_standings
from kinote.lifecycle.withdrawals.withdrawal import NotUndoableError
from kinote.notes.acts.undo import undo_withdrawal
from kinote.notes.copies import deciding
from kinote.notes.copies.deciding import Decision, NotDecidableError, OtherNumberError, decide
from kinote.notes.lists.queries import notes_of_instance
from tests.actors import ROE
from tests.lifecycle.rejected import image, live, receive, rejection, standings
from tests.notes.sample_studies import (
    FIRST,
    FIRST_STATE,
    IMAGE,
    IMAGE_2,
    NOW,
    STATE,
    dataset,
    flag,
    key_object,
    later,
    made,
    object_of,
    request,
)
from tests.notes.test_law_4_withdrawal import InjectedError, hold_law_4

ALL = HeldSelection()
OTHER = {"PatientComments": "another"}
NODE = Receiver(0, "10.1.1.9")


def hold(catalog: Catalog, *uids: str, **attributes: Any) -> list[int]:
    """Let other content come under UIDs that are taken."""
    outcomes = receive(catalog, *(image(uid, **{**OTHER, **attributes}) for uid in uids))
    assert [each.kind for each in outcomes] == ["held"] * len(uids)
    return held_keys(catalog)


def held_keys(catalog: Catalog) -> list[int]:
    with catalog.read() as connection:
        return [copy.id for copy in held.held(connection)]


def give(catalog: Catalog, *uids: str, seconds: int = 0) -> None:
    given = [Given(uid, NODE, State.GIVEN, "0000", "C-STORE", later(NOW, seconds)) for uid in uids]
    catalog.write(lambda transaction: record_given(transaction, given))


def choose(catalog: Catalog, choice: Choice, selected: HeldSelection = ALL, **options: Any) -> Decision:
    def work(transaction: Connection) -> Decision:
        read = {
            each.id: reader.read(_bytes(transaction, each.id), EXPLICIT_VR_LITTLE_ENDIAN)
            for each in deciding.key_objects_held(transaction, selected, choice)
        }
        return decide(
            transaction,
            selected,
            choice,
            text="Sent twice",
            by=ROE,
            now=later(NOW),
            readings=read,
            **options,
        )

    return catalog.write(work)


def _bytes(connection: Connection, key: int) -> bytes:
    query = select(instance_bytes.c.dataset).where(instance_bytes.c.instance == key)
    return bytes(connection.execute(query).scalar_one())


def row(catalog: Catalog, key: int) -> Any:
    with catalog.read() as connection:
        return connection.execute(select(instance).where(instance.c.id == key)).one_or_none()


def current(catalog: Catalog, uid: str) -> int:
    with catalog.read() as connection:
        query = select(instance.c.id).where(instance.c.sop_instance_uid == uid, instance.c.is_current)
        return int(connection.execute(query).scalar_one())


def hold_laws(catalog: Catalog) -> list[str]:
    """Counters are what the view counts, and standing what the withdrawals say; gives the live UIDs."""
    found = live(catalog)
    with catalog.read() as connection:
        rows = connection.execute(
            select(instance).where(instance.c.is_current, instance.c.standing.in_(["live", "withdrawn"]))
        ).all()
        ought = resulting_standings(connection, [(each.id, each.sop_instance_uid) for each in rows])
        assert {each.id: each.standing for each in rows} == ought
        others = connection.execute(select(instance.c.standing).where(~instance.c.is_current)).scalars()
        assert "live" not in set(others)
    return found


def owed(catalog: Catalog) -> list[tuple[str, str]]:
    with catalog.read() as connection:
        query = select(delivery.c.sop_instance_uid, delivery.c.address).where(delivery.c.state == "owed")
        return [(uid, address) for uid, address in connection.execute(query)]


def test_the_table_of_ways_is_whole() -> None:
    assert set(WAYS) == {Asked(choice, first) for choice in ABOUT_HELD for first in First}


def test_the_first_is_kept_and_the_held_copy_removed(filled: Catalog) -> None:
    before = live(filled)
    (key,) = hold(filled, IMAGE)
    made_of_it = choose(filled, Choice.KEEP_FIRST)
    assert made_of_it.ways == {Way.DISCARDED: 1}
    assert held_keys(filled) == []
    assert row(filled, key) is None
    assert hold_laws(filled) == before
    with filled.read() as connection:
        (kept,) = connection.execute(select(decided_copy))
    assert (kept.instance, kept.sop_instance_uid, kept.way) == (key, IMAGE, "discarded")
    assert kept.digest


def test_the_second_takes_the_place_of_a_first_that_nobody_was_given(filled: Catalog) -> None:
    before, first = live(filled), current(filled, IMAGE)
    (key,) = hold(filled, IMAGE)
    decision = choose(filled, Choice.TAKE_SECOND)
    assert decision.ways == {Way.IN_PLACE: 1}
    assert hold_laws(filled) == before
    assert current(filled, IMAGE) == key
    assert row(filled, first).standing == "withdrawn"
    with filled.read() as connection:
        (made_,) = connection.execute(select(withdrawal))
        assert (made_.act, made_.reason_text, made_.id) == (
            "other copy chosen",
            "Sent twice",
            decision.withdrawals[0],
        )
    assert owed(filled) == []


def test_a_first_that_others_were_given_is_rejected_there_and_the_second_gets_a_new_uid(
    filled: Catalog,
) -> None:
    before = live(filled)
    (key,) = hold(filled, IMAGE)
    give(filled, IMAGE)
    decision = choose(filled, Choice.TAKE_SECOND)
    assert (decision.ways, decision.receivers) == ({Way.NEW_UID_FIRST_REJECTED: 1}, 1)
    new = decision.new_uids[key]
    after = hold_laws(filled)
    # Without an undo window the rejection note is live at once.
    ((note, address),) = owed(filled)
    assert sorted(after) == sorted({*before, new, note} - {IMAGE})
    assert address == NODE.address
    assert standings(filled)[IMAGE] == "withdrawn"


def test_both_are_kept_and_the_stored_bytes_stay_as_they_came(filled: Catalog) -> None:
    before = live(filled)
    (key,) = hold(filled, IMAGE)
    came, digest = bytes_of(filled, key), row(filled, key).digest
    new = choose(filled, Choice.KEEP_BOTH).new_uids[key]
    assert hold_laws(filled) == sorted([*before, new])
    assert (bytes_of(filled, key), row(filled, key).digest) == (came, digest)
    with filled.read() as connection:
        header = headers(connection, [key])[key].decode()
        (kept,) = connection.execute(select(received_value))
    assert new in header
    assert "OriginalAttributes" not in header
    assert '"04000561"' in header, "what was received goes out in the Original Attributes Sequence"
    assert (kept.attribute, kept.value, kept.key) == ("SOPInstanceUID", IMAGE, key)


def bytes_of(catalog: Catalog, key: int) -> bytes:
    with catalog.read() as connection:
        return _bytes(connection, key)


@pytest.mark.parametrize("choice", [Choice.TAKE_SECOND, Choice.KEEP_BOTH])
def test_a_uid_that_is_out_of_use_stays_so(filled: Catalog, choice: Choice) -> None:
    (key,) = hold(filled, IMAGE)
    note = "1.2.1.80.1"
    receive(filled, rejection(note, IMAGE, title=REJECTED_FOR_QUALITY_REASONS))
    decision = choose(filled, choice)
    assert decision.ways == {Way.NEW_UID: 1}
    assert standings(filled)[IMAGE] == "withdrawn"
    assert decision.new_uids[key] in hold_laws(filled)


@pytest.mark.parametrize(
    ("selected", "number"),
    [
        (HeldSelection(studies=(FIRST,)), 2),
        (HeldSelection(series=("1.2.1.1",)), 2),
        (HeldSelection(instances=(IMAGE,)), 1),
        (ALL, 3),
    ],
    ids=["study", "series", "object", "all"],
)
@pytest.mark.parametrize("choice", ABOUT_HELD)
def test_it_is_about_objects_series_or_studies_as_its_preview_says(
    filled: Catalog, choice: Choice, selected: HeldSelection, number: int
) -> None:
    hold(filled, IMAGE, IMAGE_2, "1.2.2.1.1")
    give(filled, IMAGE)
    with filled.read() as connection:
        seen = deciding.preview(connection, selected, choice)
    assert (seen.number, seen.hindrance) == (number, "")
    assert sum(share.instances for share in seen.studies) == number
    done = choose(filled, choice, selected, expected=number)
    assert (done.number, done.ways, done.receivers) == (number, seen.ways, seen.receivers)
    hold_laws(filled)
    assert len(held_keys(filled)) == 3 - number


def test_a_number_that_has_changed_since_it_was_seen_changes_nothing(filled: Catalog) -> None:
    hold(filled, IMAGE, IMAGE_2)
    with pytest.raises(OtherNumberError, match="2 copies are held now, not 1"):
        choose(filled, Choice.KEEP_BOTH, expected=1)
    assert len(held_keys(filled)) == 2


def test_what_has_changed_since_the_preview_changes_nothing(filled: Catalog) -> None:
    """The number alone stays the same."""
    hold(filled, IMAGE)

    def seen(choice: Choice) -> str:
        with filled.read() as connection:
            return deciding.preview(connection, ALL, choice).seen

    before = seen(Choice.TAKE_SECOND)
    assert before != seen(Choice.KEEP_BOTH)
    give(filled, IMAGE)
    with pytest.raises(OtherNumberError, match="somebody was given"):
        choose(filled, Choice.TAKE_SECOND, expected=1, seen=before)
    before = seen(Choice.TAKE_SECOND)
    choose(filled, Choice.KEEP_FIRST)
    hold(filled, IMAGE, PatientComments="a third")
    with pytest.raises(OtherNumberError, match="other copies are held"):
        choose(filled, Choice.TAKE_SECOND, expected=1, seen=before)
    assert choose(filled, Choice.TAKE_SECOND, seen=seen(Choice.TAKE_SECOND)).number == 1


def test_of_several_copies_under_one_uid_one_is_named_or_all_are_kept(filled: Catalog) -> None:
    hold(filled, IMAGE)
    first, second = hold(filled, IMAGE, PatientComments="a third")
    with pytest.raises(NotDecidableError, match="by its number"):
        choose(filled, Choice.TAKE_SECOND)
    with filled.read() as connection:
        assert "by its number" in deciding.preview(connection, ALL, Choice.TAKE_SECOND).hindrance
    choose(filled, Choice.TAKE_SECOND, HeldSelection(held=(second,)))
    assert current(filled, IMAGE) == second
    choose(filled, Choice.KEEP_BOTH)
    assert row(filled, first).sop_instance_uid != IMAGE
    hold_laws(filled)


def test_a_held_rejection_note_does_not_come_into_use_by_the_way(filled: Catalog) -> None:
    note = "1.2.1.80.1"
    receive(filled, rejection(note, IMAGE))
    receive(filled, rejection(note, IMAGE_2))
    for choice in (Choice.TAKE_SECOND, Choice.KEEP_BOTH):
        with pytest.raises(NotDecidableError, match="rejection note"):
            choose(filled, choice)
    choose(filled, Choice.KEEP_FIRST)
    assert IMAGE_2 in hold_laws(filled)


@pytest.mark.parametrize("choice", [Choice.TAKE_SECOND, Choice.KEEP_BOTH])
def test_a_held_key_object_becomes_a_note_when_it_comes_into_use(filled: Catalog, choice: Choice) -> None:
    kos = "1.2.1.70.1"
    receive(filled, key_object(kos, IMAGE))
    receive(filled, key_object(kos, IMAGE_2, description="Another"))
    choose(filled, choice)
    hold_laws(filled)
    with filled.read() as connection:
        flagging = {uid: len(notes_of_instance(connection, uid)) for uid in (IMAGE, IMAGE_2)}
    assert flagging == {IMAGE: 1 if choice is Choice.KEEP_BOTH else 0, IMAGE_2: 1}


def test_what_refers_to_the_uid_goes_on_meaning_what_has_it_and_has_a_finding(filled: Catalog) -> None:
    receive(filled, key_object("1.2.1.70.1", IMAGE))
    note = made(filled, request(IMAGE))
    hold(filled, IMAGE)
    choose(filled, Choice.KEEP_BOTH)
    with filled.read() as connection:
        found = connection.execute(
            select(instance.c.sop_instance_uid, finding.c.text)
            .join(instance, instance.c.id == finding.c.instance)
            .where(finding.c.code == "REFERENCE_AMBIGUOUS")
        ).all()
        assert {each.sop_instance_uid for each in found} == {
            "1.2.1.70.1",
            *(each.sop_instance_uid for each in note.key_objects),
        }
        assert all(IMAGE in each.text for each in found)
        assert len(notes_of_instance(connection, IMAGE)) == 2


def test_a_study_without_live_instances_is_described_by_what_comes_into_use(filled: Catalog) -> None:
    uid = "1.9.1.1.1"
    receive(filled, image(uid, PatientID="P7", PatientName="Wrong^Name"))
    hold(filled, uid, PatientID="P8", PatientName="Right^Name")
    choose(filled, Choice.TAKE_SECOND)
    hold_laws(filled)
    with filled.read() as connection:
        named = connection.execute(
            select(study.c.patient_id, study.c.attributes).where(study.c.study_instance_uid == "1.9.1")
        ).one()
    assert named.patient_id == "P8"
    assert "Right^Name" in named.attributes


def test_undoing_lets_the_uid_mean_the_first_again(filled: Catalog) -> None:
    before, first = live(filled), current(filled, IMAGE)
    (key,) = hold(filled, IMAGE)
    reason = row(filled, key).held_reason
    (made_,) = choose(filled, Choice.TAKE_SECOND).withdrawals
    filled.write(lambda transaction: undo_withdrawal(transaction, made_, by=ROE, now=later(NOW, 90)))
    assert hold_laws(filled) == before
    assert current(filled, IMAGE) == first
    assert (row(filled, key).standing, row(filled, key).held_reason) == ("held", reason)


def named_by_query(catalog: Catalog, patient_id: str) -> list[str]:
    """The studies that QIDO-RS and C-FIND find for a patient."""
    query = Query(Level.STUDY, keys={(tags.PATIENT_ID,): patient_id})
    with catalog.read() as connection:
        return [each.study_instance_uid for each in search(connection, query)]


def test_undoing_describes_the_study_by_the_first_again(filled: Catalog) -> None:
    uid = "1.9.1.1.1"
    receive(filled, image(uid, PatientID="P7", PatientName="Right^Name"))
    hold(filled, uid, PatientID="P8", PatientName="Wrong^Name")
    with filled.read() as connection:
        before = conflicts(connection, ["1.9.1"])
    assert before
    (made_,) = choose(filled, Choice.TAKE_SECOND).withdrawals
    assert (named_by_query(filled, "P7"), named_by_query(filled, "P8")) == ([], ["1.9.1"])
    with filled.read() as connection:
        assert conflicts(connection, ["1.9.1"]) == {}
    filled.write(lambda transaction: undo_withdrawal(transaction, made_, by=ROE, now=later(NOW, 90)))
    hold_laws(filled)
    assert (named_by_query(filled, "P7"), named_by_query(filled, "P8")) == (["1.9.1"], [])
    with filled.read() as connection:
        assert conflicts(connection, ["1.9.1"]) == before, "nothing of it is delivered automatically again"


def ambiguous(catalog: Catalog) -> dict[str, str]:
    with catalog.read() as connection:
        query = (
            select(instance.c.sop_instance_uid, finding.c.text)
            .join(instance, instance.c.id == finding.c.instance)
            .where(finding.c.code == "REFERENCE_AMBIGUOUS")
        )
        return {uid: sentence for uid, sentence in connection.execute(query)}


def test_a_second_decision_adds_to_what_is_ambiguous_and_undoing_takes_it_back(filled: Catalog) -> None:
    note = made(filled, request(IMAGE, flag(IMAGE_2, presentation_state_uid=FIRST_STATE)))
    (kos,) = (each.sop_instance_uid for each in note.key_objects)
    hold(filled, IMAGE)
    choose(filled, Choice.KEEP_BOTH)
    receive(filled, dataset(object_of(FIRST_STATE, STATE, Modality="PR", **OTHER)))
    (made_,) = choose(filled, Choice.TAKE_SECOND).withdrawals
    assert IMAGE in ambiguous(filled)[kos]
    assert FIRST_STATE in ambiguous(filled)[kos]
    filled.write(lambda transaction: undo_withdrawal(transaction, made_, by=ROE, now=later(NOW, 90)))
    assert IMAGE in ambiguous(filled)[kos]
    assert FIRST_STATE not in ambiguous(filled)[kos]


def test_undoing_leaves_nothing_ambiguous(filled: Catalog) -> None:
    made(filled, request(IMAGE))
    hold(filled, IMAGE)
    (made_,) = choose(filled, Choice.TAKE_SECOND).withdrawals
    assert ambiguous(filled)
    filled.write(lambda transaction: undo_withdrawal(transaction, made_, by=ROE, now=later(NOW, 90)))
    assert ambiguous(filled) == {}


@pytest.mark.parametrize(("undone", "seconds"), [(False, 30), (True, 70)], ids=["decided", "undone"])
def test_what_was_given_just_before_and_is_known_only_now_is_told(
    filled: Catalog, undone: bool, seconds: int
) -> None:
    hold(filled, IMAGE)
    (made_,) = choose(filled, Choice.TAKE_SECOND).withdrawals
    if undone:
        filled.write(lambda transaction: undo_withdrawal(transaction, made_, by=ROE, now=later(NOW, 90)))

    def told() -> list[str]:
        with filled.read() as connection:
            query = select(finding.c.text).where(finding.c.code == "GIVEN_ANOTHER_COPY")
            return list(connection.execute(query).scalars())

    # What was given since is the copy that the UID means.
    give(filled, IMAGE, seconds=100)
    assert told() == []
    give(filled, IMAGE, seconds=seconds)
    give(filled, IMAGE, seconds=seconds)
    (sentence,) = told()
    assert NODE.address in sentence


def test_law_7_what_has_come_into_use_is_not_removed_as_a_held_copy(filled: Catalog) -> None:
    (key,) = hold(filled, IMAGE)
    choose(filled, Choice.TAKE_SECOND)
    with pytest.raises(held.HeldNotFoundError, match="not held any more"):
        filled.write(lambda tx: held.remove(tx, {key: (FIRST, IMAGE)}, now=NOW, by=ROE))
    assert current(filled, IMAGE) == key


def test_a_copy_that_comes_into_use_contradicts_its_study_visibly(filled: Catalog) -> None:
    (key,) = hold(filled, IMAGE, PatientSex="F", Modality="MR")
    (made_,) = choose(filled, Choice.TAKE_SECOND).withdrawals

    def codes() -> set[str]:
        with filled.read() as connection:
            query = select(finding.c.code).where(finding.c.instance == key)
            return set(connection.execute(query).scalars())

    assert codes() >= {"STUDY_DIFFERS", "SERIES_DIFFERS"}
    filled.write(lambda transaction: undo_withdrawal(transaction, made_, by=ROE, now=later(NOW, 90)))
    assert not codes() & {"STUDY_DIFFERS", "SERIES_DIFFERS"}


def test_it_is_not_undone_once_others_were_given_the_second(filled: Catalog) -> None:
    hold(filled, IMAGE)
    (made_,) = choose(filled, Choice.TAKE_SECOND).withdrawals
    give(filled, IMAGE, seconds=70)
    with pytest.raises(NotUndoableError, match="could not tell"):
        filled.write(lambda transaction: undo_withdrawal(transaction, made_, by=ROE, now=later(NOW, 90)))
    hold_laws(filled)


@pytest.mark.parametrize("choice", ABOUT_HELD)
def test_law_4_a_decision_is_one_transaction(filled_sqlite: Catalog, choice: Choice) -> None:
    hold(filled_sqlite, IMAGE, IMAGE_2)
    give(filled_sqlite, IMAGE)
    assert hold_law_4(filled_sqlite, lambda transaction, _: deciding_all(transaction, choice)) > 5


def deciding_all(transaction: Connection, choice: Choice) -> None:
    decide(transaction, ALL, choice, text="Sent twice", by=ROE, now=later(NOW))


def test_breach_of_law_4_is_noticed(filled_sqlite: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision is recorded as well as can be, and never mind if it fails."""

    def at_best(*arguments: Any, **options: Any) -> int:
        with suppress(InjectedError):
            return record_decision(*arguments, **options)
        return 0

    monkeypatch.setattr(deciding, "record_decision", at_best)
    hold(filled_sqlite, IMAGE)
    with pytest.raises(AssertionError):
        hold_law_4(filled_sqlite, lambda transaction, _: deciding_all(transaction, Choice.KEEP_BOTH))


def test_breach_of_law_1_is_noticed(filled: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy comes into use, and nobody counts it."""
    monkeypatch.setattr(counts, "add", lambda *_: None)
    hold(filled, IMAGE)
    choose(filled, Choice.KEEP_BOTH)
    with pytest.raises(AssertionError):
        hold_laws(filled)


def stored(catalog: Catalog) -> set[bytes]:
    with catalog.read() as connection:
        return {bytes(each) for each in connection.execute(select(instance_bytes.c.dataset)).scalars()}


@pytest.mark.parametrize("choice", [Choice.TAKE_SECOND, Choice.KEEP_BOTH])
def test_law_7_a_decision_for_a_copy_loses_no_byte_of_either(filled: Catalog, choice: Choice) -> None:
    hold(filled, IMAGE, IMAGE_2)
    give(filled, IMAGE)
    before = stored(filled)
    choose(filled, choice)
    assert stored(filled) >= before


def test_breach_of_law_7_is_noticed(filled: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeping both throws one away."""
    monkeypatch.setattr(candidates, "WAYS", {**WAYS, Asked(Choice.KEEP_BOTH, First.LIVE): Way.DISCARDED})
    with pytest.raises(AssertionError):
        test_law_7_a_decision_for_a_copy_loses_no_byte_of_either(filled, Choice.KEEP_BOTH)


def test_a_copy_on_hold_is_not_discarded(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    (key,) = hold(catalog, IMAGE)
    wanted = WantedHold(HoldKind.LEGAL, HeldThing(HoldLevel.STUDY, study_of(catalog, key)), "A case")
    one = catalog.write(lambda transaction: place(transaction, wanted, by=ROE, now=NOW))
    with pytest.raises(OnHoldError, match="not discarded while it is on hold"):
        choose(catalog, Choice.KEEP_FIRST)
    assert held_keys(catalog) == [key]
    catalog.write(lambda transaction: end(transaction, one.id, "settled", by=ROE, now=NOW))
    choose(catalog, Choice.KEEP_FIRST)
    assert held_keys(catalog) == []


def study_of(catalog: Catalog, key: int) -> str:
    query = select(study.c.study_instance_uid).join(instance, instance.c.study == study.c.id)
    with catalog.read() as connection:
        return str(connection.execute(query.where(instance.c.id == key)).scalar_one())
