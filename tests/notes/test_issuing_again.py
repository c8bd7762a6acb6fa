"""What was withdrawn for good by mistake is issued again under new UIDs; the old ones never come back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.instances.received_values import todays_uids
from kinote.catalog.schema.tables import (
    delivery,
    instance,
    instance_bytes,
    location,
    peer,
    purge,
    rejection_note,
    withdrawal,
)
from kinote.catalog.transactions.catalog import Catalog
from kinote.keyobject.codes import Code
from kinote.lifecycle.acts import QUALITY, RETENTION_EXPIRED, SAFETY, WRONG_ORDER, Act
from kinote.lifecycle.rejection.proposals import rejected_instances, rejections, urgent
from kinote.lifecycle.rejection.rules import ACTS_BY_TITLE
from kinote.lifecycle.withdrawals.withdrawal import NotUndoableError
from kinote.notes.acts.accepting import accept
from kinote.notes.acts.rejection import reject
from kinote.notes.acts.undo import undo_withdrawal
from kinote.notes.copies import issuing_again
from kinote.notes.copies.issuing_again import IssuedAgain, NotIssuableError, issue_again
from kinote.notes.lists.queries import notes_of_instance, versions
from tests.actors import ROE
from tests.lifecycle.rejected import QUALITY as QUALITY_TITLE
from tests.lifecycle.rejected import RULES, findings, image, receive, rejection, standings
from tests.lifecycle.rejected import SAFETY as SAFETY_TITLE
from tests.notes.sample_studies import (
    FIRST,
    FIRST_STATE,
    IMAGE,
    IMAGE_2,
    IMAGE_3,
    NOW,
    SECOND,
    SECOND_IMAGE,
    flag,
    key_object,
    later,
    made,
    request,
)
from tests.notes.test_held_copies import NODE, give, hold_laws
from tests.notes.test_law_4_withdrawal import hold_law_4

KOS, NOTE = "1.2.1.70.1", "1.2.1.80.1"


def withdrawn(catalog: Catalog, *uids: str, act: Act = SAFETY, window: timedelta = timedelta(0)) -> int:
    return catalog.write(
        lambda tx: reject(tx, uids, act=act, text="By mistake", by=ROE, now=NOW, undo_window=window)
    )


def issue(catalog: Catalog, key: int, also: Sequence[int] = ()) -> IssuedAgain:
    return catalog.write(
        lambda tx: issue_again(tx, key, text="It was right", by=ROE, now=later(NOW), also=also)
    )


def row(catalog: Catalog, uid: str):  # type: ignore[no-untyped-def]
    with catalog.read() as connection:
        query = select(instance).where(instance.c.sop_instance_uid == uid, instance.c.is_current)
        return connection.execute(query).one()


@pytest.mark.parametrize("act", [SAFETY, WRONG_ORDER], ids=str)
def test_images_are_live_under_new_uids_with_their_bytes(filled: Catalog, act: Act) -> None:
    before = {uid: row(filled, uid) for uid in (IMAGE, IMAGE_2)}
    key = withdrawn(filled, IMAGE, IMAGE_2, act=act)
    with pytest.raises(NotUndoableError, match="issue-again"):
        filled.write(lambda tx: undo_withdrawal(tx, key, by=ROE, now=later(NOW)))
    made_ = issue(filled, key)
    assert (set(made_.new_uids), made_.left) == ({IMAGE, IMAGE_2}, 0)
    after = hold_laws(filled)
    assert IMAGE not in after
    for old, new in made_.new_uids.items():
        assert new in after
        assert (row(filled, new).id, row(filled, new).digest) == (before[old].id, before[old].digest)
        assert (row(filled, old).standing, row(filled, old).residence) == ("purged", "none")


@pytest.mark.parametrize("attributes", [{}, {"PatientComments": "other"}], ids=["same", "other"])
def test_the_old_uid_never_comes_back(filled: Catalog, attributes: dict[str, str]) -> None:
    key = withdrawn(filled, IMAGE)
    issue(filled, key)
    (outcome,) = receive(filled, image(IMAGE, **attributes))
    assert outcome.kind == "refused"
    hold_laws(filled)


def test_references_to_the_old_uid_stay_and_no_archive_has_the_new_one(filled: Catalog) -> None:
    moment = NOW.isoformat()

    def archived(tx) -> None:  # type: ignore[no-untyped-def]
        tx.execute(peer.insert(), {"id": 1, "name": "ARCHIVE", "added_at": moment, "changed_at": moment})
        key = tx.execute(select(instance.c.id).where(instance.c.sop_instance_uid == IMAGE)).scalar_one()
        tx.execute(location.insert(), {"instance": key, "archive": 1, "evidence": "committed", "at": moment})

    filled.write(archived)
    key = withdrawn(filled, IMAGE)
    issue(filled, key)
    with filled.read() as connection:
        assert todays_uids(connection, [IMAGE]) == {}
        assert connection.execute(select(location)).all() == []
        assert connection.execute(select(purge.c.withdrawal)).scalars().all() == [key]


def test_a_note_gets_a_new_version_with_new_key_objects(filled: Catalog) -> None:
    note = made(filled, request(IMAGE))
    (old,) = [each.sop_instance_uid for each in note.key_objects]
    key = withdrawn(filled, old)
    made_ = issue(filled, key)
    assert made_.notes == (note.id,)
    with filled.read() as connection:
        now, *earlier = sorted(versions(connection, note.id or 0), key=lambda each: -each.version)
        assert [each.id for each in notes_of_instance(connection, IMAGE)] == [note.id]
    assert (now.version, len(earlier)) == (note.version + 1, 1)
    assert [each.sop_instance_uid for each in now.key_objects] == [made_.new_uids[old]]
    assert now.description == note.description
    assert standings(filled)[old] == "withdrawn"
    hold_laws(filled)


def test_a_received_key_object_is_issued_with_its_note(filled: Catalog) -> None:
    receive(filled, key_object(KOS, IMAGE))
    key = withdrawn(filled, KOS)
    with filled.read() as connection:
        assert notes_of_instance(connection, IMAGE) == []
    new = issue(filled, key).new_uids[KOS]
    assert new in hold_laws(filled)
    with filled.read() as connection:
        (note,) = notes_of_instance(connection, IMAGE)
    assert [each.sop_instance_uid for each in note.key_objects] == [new]


@pytest.mark.parametrize("act", [QUALITY, RETENTION_EXPIRED], ids=str)
def test_what_can_be_undone_is_not_issued_again(filled: Catalog, act: Act) -> None:
    key = withdrawn(filled, IMAGE, act=act)
    with pytest.raises(NotIssuableError, match="undo"):
        issue(filled, key)


def test_before_others_are_told_it_is_undone_instead(filled: Catalog) -> None:
    key = withdrawn(filled, IMAGE, act=WRONG_ORDER, window=timedelta(minutes=10))
    with pytest.raises(NotIssuableError, match="Nobody has been told"):
        issue(filled, key)


def test_what_something_else_withdraws_too_stays_out_of_use(filled: Catalog) -> None:
    withdrawn(filled, IMAGE_2, act=QUALITY)
    key = withdrawn(filled, IMAGE, IMAGE_2, IMAGE_3, "1.2.1.1.99")
    made_ = issue(filled, key)
    assert (set(made_.new_uids), made_.left) == ({IMAGE, IMAGE_3}, 2)
    with pytest.raises(NotIssuableError, match="Nothing"):
        issue(filled, key)
    hold_laws(filled)


def test_what_a_second_withdrawal_for_good_hides_stays_out_of_use(filled: Catalog) -> None:
    first = withdrawn(filled, IMAGE, IMAGE_2)
    second = withdrawn(filled, IMAGE, act=WRONG_ORDER)
    made_ = issue(filled, first)
    assert (set(made_.new_uids), made_.left) == ({IMAGE_2}, 1)
    assert standings(filled)[IMAGE] == "withdrawn"
    hold_laws(filled)
    with pytest.raises(NotIssuableError, match=f"withdrawals {second}: undo them, or name in `also`"):
        issue(filled, first)


@pytest.mark.parametrize("acts", [(SAFETY, WRONG_ORDER), (WRONG_ORDER, SAFETY)], ids=str)
def test_what_two_withdrawals_for_good_hide_is_issued_by_who_says_that_both_were_wrong(
    filled: Catalog, acts: tuple[Act, Act]
) -> None:
    first, second = (withdrawn(filled, IMAGE, act=act) for act in acts)
    made_ = issue(filled, first, also=[second])
    assert (set(made_.new_uids), made_.left) == ({IMAGE}, 0)
    assert standings(filled)[made_.new_uids[IMAGE]] == "live"
    assert standings(filled)[IMAGE] == "purged"
    hold_laws(filled)


def test_what_can_be_undone_is_undone_and_not_named_besides(filled: Catalog) -> None:
    first, second = withdrawn(filled, IMAGE), withdrawn(filled, IMAGE, act=QUALITY)
    with pytest.raises(NotIssuableError, match="undo"):
        issue(filled, first, also=[second])
    assert standings(filled)[IMAGE] == "withdrawn"


def test_a_note_of_two_studies_is_issued_in_both_and_its_old_key_objects_go(filled: Catalog) -> None:
    note = made(filled, request(IMAGE, SECOND_IMAGE))
    first, second = (each.sop_instance_uid for each in note.key_objects)
    give(filled, second)
    made_ = issue(filled, withdrawn(filled, first))
    assert set(made_.new_uids) == {first}
    after = hold_laws(filled)
    assert second not in after, "no key object of the old version stays beside the new one"
    with filled.read() as connection:
        now = max(versions(connection, note.id or 0), key=lambda each: each.version)
        acts = connection.execute(select(withdrawal.c.act).order_by(withdrawal.c.id)).scalars().all()
        owed = connection.execute(select(delivery.c.address).where(delivery.c.state == "owed")).scalars()
        assert list(owed) == [NODE.address], "whoever was given it is told"
    assert acts == ["safety", "revised"]
    assert {each.study_instance_uid for each in now.key_objects} == {FIRST, SECOND}
    assert {each.sop_instance_uid for each in now.key_objects} <= set(after)


def test_a_study_keeps_its_marks_when_it_is_issued_again(filled: Catalog) -> None:
    note = made(filled, request(flag(IMAGE, presentation_state_uid=FIRST_STATE), IMAGE_2))
    (key_object_uid,) = [each.sop_instance_uid for each in note.key_objects]
    made_ = issue(filled, withdrawn(filled, IMAGE, FIRST_STATE, key_object_uid))
    new = made_.new_uids
    with filled.read() as connection:
        (now,) = notes_of_instance(connection, new[IMAGE])
    assert [(each.sop_instance_uid, each.presentation_state_uid, each.status) for each in now.references] == [
        (new[IMAGE], new[FIRST_STATE], "resolved"),
        (IMAGE_2, "", "resolved"),
    ]
    hold_laws(filled)


def test_law_4_issuing_again_is_one_transaction(filled_sqlite: Catalog) -> None:
    give(filled_sqlite, IMAGE_2)
    # `hold_law_4` makes a note that flags another one.
    key = withdrawn(filled_sqlite, IMAGE_2, IMAGE_3)

    def issuing(transaction: Connection, _: int) -> None:
        issue_again(transaction, key, text="Right", by=ROE, now=later(NOW))

    assert hold_law_4(filled_sqlite, issuing) > 10


def test_law_7_and_8_bytes_move_and_are_nowhere_twice(filled: Catalog) -> None:
    with filled.read() as connection:
        before = sorted(
            bytes(each) for each in connection.execute(select(instance_bytes.c.dataset)).scalars()
        )
    key = withdrawn(filled, IMAGE)
    notes = _number(filled)
    issue(filled, key)
    assert _number(filled) == notes
    with filled.read() as connection:
        after = [bytes(each) for each in connection.execute(select(instance_bytes.c.dataset)).scalars()]
        owed = connection.execute(select(delivery.c.sop_instance_uid)).scalars().all()
    assert all(after.count(each) == before.count(each) for each in before)
    assert owed == []


def _number(catalog: Catalog) -> int:
    with catalog.read() as connection:
        return len(connection.execute(select(instance_bytes.c.instance)).all())


def test_breach_of_law_8_is_noticed(filled: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old UID is left without a tombstone."""
    monkeypatch.setattr(issuing_again, "_tombstones", lambda *_: [])
    with pytest.raises(AssertionError):
        test_the_old_uid_never_comes_back(filled, {})


def waiting_for(catalog: Catalog) -> dict[str, tuple[str, list[str]]]:
    """What waits for a person: the act, and the UIDs, by the rejection note."""
    with catalog.read() as connection:
        return {
            each.rejection_note_uid: (
                each.act,
                [one.sop_instance_uid for one in rejected_instances(connection, each.id, limit=10)],
            )
            for each in rejections(connection, everything=False)
        }


@pytest.mark.parametrize("title", [SAFETY_TITLE, QUALITY_TITLE], ids=["safety", "quality"])
def test_a_later_rejection_of_the_old_uid_waits_for_a_person_under_the_new_one(
    filled: Catalog, title: Code
) -> None:
    new = issue(filled, withdrawn(filled, IMAGE)).new_uids[IMAGE]
    give(filled, new)
    receive(filled, rejection(NOTE, IMAGE, title=title))
    assert waiting_for(filled) == {NOTE: (ACTS_BY_TITLE[title].name, [new])}
    with filled.read() as connection:
        (number,) = [each.id for each in rejections(connection, everything=False)]
        assert urgent(connection, 10) == ([number] if title == SAFETY_TITLE else [])
    assert [code for _, code, _ in findings(filled)] == ["REJECTION_OF_ISSUED"]
    assert new in hold_laws(filled), "nothing happens by itself"
    filled.write(lambda tx: accept(tx, number, RULES, reason="It is that one", by=ROE, now=later(NOW)))
    assert standings(filled)[new] == "withdrawn"
    hold_laws(filled)
    with filled.read() as connection:
        note = connection.execute(
            select(rejection_note.c.sop_instance_uid).order_by(rejection_note.c.withdrawal.desc()).limit(1)
        ).scalar_one()
        owed = connection.execute(
            select(delivery.c.sop_instance_uid).where(delivery.c.state == "owed")
        ).scalars()
        assert note in list(owed), "whoever has it is told by a note that names its UID"
