"""Copies of rejected instances, by the titles that rejected them; marks; and notes that are not shown."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import func, select

from kinote.catalog.schema.tables import instance, instance_bytes, instance_metadata, withdrawal
from kinote.catalog.transactions.catalog import Catalog
from kinote.intake.filing import Filed, file_arrivals
from kinote.keyobject.codes import Code
from kinote.keyobject.model import Reference
from kinote.lifecycle import acts
from kinote.lifecycle.acts import LaterCopies
from kinote.lifecycle.rejection import decisions
from kinote.lifecycle.rejection.decisions import EFFECTS, FATES, Asked, Fate, Held, strictest
from kinote.lifecycle.rejection.rules import Effect
from kinote.lifecycle.withdrawals.withdrawal import undo, withdraw
from kinote.security.actors import Actor
from tests.actors import ROE
from tests.lifecycle.rejected import (
    ARCHIVE,
    EXPIRED,
    QUALITY,
    RULES,
    SAFETY,
    STRANGER,
    WORKLIST,
    image,
    later_copies,
    live,
    receive,
    rejection,
    standings,
    told,
    with_title,
    withdrawals,
)
from tests.notes.sample_studies import IMAGE, IMAGE_2, KEY_OBJECT, NOW, arrival, key_object, place

NOTE, SECOND_NOTE = "1.2.1.80.1", "1.2.1.80.2"
KOS = "1.2.1.70.1"
OTHER_CONTENT = {"PatientComments": "another"}


def rejected(catalog: Catalog, title: Code, **options: object) -> None:
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE, title=title), **options)  # type: ignore[arg-type]


def purge(catalog: Catalog, uid: str = IMAGE) -> None:
    """What a purge will leave: a row that keeps its UID, without bytes."""

    def purging(transaction: object) -> None:
        current = select(instance.c.id).where(instance.c.sop_instance_uid == uid, instance.c.is_current)
        key = current.scalar_subquery()
        for table in (instance_bytes, instance_metadata):
            transaction.execute(table.delete().where(table.c.instance == key))  # type: ignore[attr-defined]
        transaction.execute(  # type: ignore[attr-defined]
            instance.update()
            .where(instance.c.sop_instance_uid == uid, instance.c.is_current)
            .values(standing="purged", residence="none", file_key=None)
        )

    catalog.write(purging)


def rows(catalog: Catalog) -> int:
    with catalog.read() as connection:
        return connection.execute(select(func.count()).select_from(instance)).scalar_one()


@pytest.mark.parametrize("title", [SAFETY, WORKLIST], ids=lambda title: title.value)
@pytest.mark.parametrize("is_purged", [False, True])
@pytest.mark.parametrize("attributes", [{}, OTHER_CONTENT], ids=["same", "other"])
def test_a_copy_of_what_must_not_come_back_is_refused_and_leaves_nothing(
    catalog: Catalog, title: Code, is_purged: bool, attributes: dict[str, str]
) -> None:
    rejected(catalog, title)
    if is_purged:
        purge(catalog)
    before = (standings(catalog), rows(catalog), told(catalog))
    (outcome,) = receive(catalog, image(IMAGE, **attributes))
    assert (outcome.kind, outcome.status) == ("refused", 0xC771)
    assert outcome.reason == f"Refused: it is out of use ({title.meaning})."
    assert outcome.sop_instance_uid == IMAGE
    assert (standings(catalog), rows(catalog), told(catalog)) == before


def test_the_status_of_a_refusal_is_that_of_the_sender(catalog: Catalog) -> None:
    rules = replace(RULES, refusal_statuses={"ARCHIVE": 0xC123})
    rejected(catalog, SAFETY)
    assert [one.status for one in receive(catalog, image(IMAGE), rules=rules)] == [0xC123]


def test_a_copy_of_what_is_kept_hidden_is_known_and_stays_hidden(catalog: Catalog) -> None:
    rejected(catalog, QUALITY)
    assert [one.kind for one in receive(catalog, image(IMAGE))] == ["known"]
    assert [one.kind for one in receive(catalog, image(IMAGE, **OTHER_CONTENT))] == ["held"]
    assert standings(catalog)[IMAGE] == "withdrawn"


def test_a_copy_of_what_has_expired_brings_it_back(catalog: Catalog) -> None:
    rejected(catalog, EXPIRED)
    assert live(catalog) == [NOTE]
    (outcome,) = receive(catalog, image(IMAGE))
    assert (outcome.kind, outcome.reason) == ("known", "The instance was out of use, and is in use again.")
    assert live(catalog) == [IMAGE, NOTE]
    assert withdrawals(catalog) == [(NOTE, "retention expired", "hidden", ((IMAGE, "restored"),))]
    assert [change.kind for change in told(catalog) if change.sop_instance_uid == IMAGE][
        -1
    ] == "instance restored"
    # The note that comes again is the same one; another one rejects anew.
    receive(catalog, rejection(NOTE, IMAGE, title=EXPIRED))
    assert live(catalog) == [IMAGE, NOTE]
    receive(catalog, rejection(SECOND_NOTE, IMAGE, title=EXPIRED))
    assert live(catalog) == [NOTE, SECOND_NOTE]


def test_a_copy_with_other_content_brings_the_first_back_and_is_held(catalog: Catalog) -> None:
    rejected(catalog, EXPIRED)
    assert [one.kind for one in receive(catalog, image(IMAGE, **OTHER_CONTENT))] == ["held"]
    assert live(catalog) == [IMAGE, NOTE]


def test_a_copy_brings_back_what_was_purged_and_the_tombstone_is_history(catalog: Catalog) -> None:
    rejected(catalog, EXPIRED)
    purge(catalog)
    (outcome,) = receive(catalog, image(IMAGE, **OTHER_CONTENT))
    assert (outcome.kind, outcome.reason) == ("stored", "The instance was out of use, and is in use again.")
    assert live(catalog) == [IMAGE, NOTE]
    with catalog.read() as connection:
        query = select(instance.c.standing, instance.c.is_current).where(instance.c.sop_instance_uid == IMAGE)
        assert sorted(tuple(row) for row in connection.execute(query)) == [("live", True), ("purged", False)]


@pytest.mark.parametrize("by", [ARCHIVE, STRANGER], ids=["marked", "proposed"])
def test_a_tombstone_stays_where_only_something_without_effect_was_undone(
    catalog: Catalog, by: Actor
) -> None:
    """No withdrawal is known that made it: nothing says that its UID may come back."""
    receive(catalog, image(IMAGE))
    receive(catalog, rejection(NOTE, IMAGE), by=by, rules=with_title(QUALITY, effect=Effect.MARKED))
    purge(catalog)
    with catalog.read() as connection:
        (key,) = connection.execute(select(withdrawal.c.id)).scalars()
    catalog.write(lambda tx: undo(tx, key, by=ROE, now=NOW))
    assert [one.kind for one in receive(catalog, image(IMAGE))] == ["held"]
    assert standings(catalog)[IMAGE] == "purged"


def test_a_tombstone_is_left_behind_although_something_without_effect_is_in_force(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE))
    receive(catalog, rejection(SECOND_NOTE, IMAGE), by=STRANGER)
    purge(catalog)
    with catalog.read() as connection:
        query = select(withdrawal.c.id).where(withdrawal.c.rejection_note_uid == NOTE)
        (key,) = connection.execute(query).scalars()
    catalog.write(lambda tx: undo(tx, key, by=ROE, now=NOW))
    assert [one.kind for one in receive(catalog, image(IMAGE))] == ["stored"]
    assert standings(catalog)[IMAGE] == "live"


def test_a_copy_of_a_held_one_without_bytes_takes_the_place_of_a_tombstone(catalog: Catalog) -> None:
    """Healing the held copy would leave the UID without a current instance."""
    rejected(catalog, QUALITY)
    assert [one.kind for one in receive(catalog, image(IMAGE, **OTHER_CONTENT))] == ["held"]
    purge(catalog)
    is_held = select(instance.c.id).where(instance.c.standing == "held").scalar_subquery()
    catalog.write(lambda tx: tx.execute(instance_bytes.delete().where(instance_bytes.c.instance == is_held)))
    assert [one.kind for one in receive(catalog, image(IMAGE, **OTHER_CONTENT))] == ["stored"]
    with catalog.read() as connection:
        query = select(instance.c.standing, instance.c.is_current).where(instance.c.sop_instance_uid == IMAGE)
        assert sorted(tuple(row) for row in connection.execute(query)) == [
            ("held", False),
            ("purged", False),
            ("withdrawn", True),
        ]


def test_a_copy_that_is_still_to_be_compared_ends_no_withdrawal(catalog: Catalog) -> None:
    rejected(catalog, EXPIRED)
    before = (standings(catalog), withdrawals(catalog), told(catalog))
    copy = arrival(image(IMAGE, **OTHER_CONTENT), NOW)
    copy.comparisons_left = 1

    def filed() -> Filed:
        return catalog.write(lambda tx: file_arrivals(tx, [copy], NOW, rules=RULES)[0])

    assert filed().is_undecided
    assert (standings(catalog), withdrawals(catalog), told(catalog)) == before
    copy.comparisons_left = 0
    assert filed().outcome.kind == "held"
    assert live(catalog) == [IMAGE, NOTE]


def test_an_expired_instance_alone_comes_back_with_its_copy(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), image(IMAGE_2), rejection(NOTE, IMAGE, IMAGE_2, title=EXPIRED))
    receive(catalog, image(IMAGE))
    assert live(catalog) == [IMAGE, NOTE]


@pytest.mark.parametrize("other", [SAFETY, QUALITY], ids=lambda title: title.value)
def test_the_strictest_of_several_rejections_decides(catalog: Catalog, other: Code) -> None:
    rejected(catalog, EXPIRED)
    receive(catalog, rejection(SECOND_NOTE, IMAGE, title=other))
    (outcome,) = receive(catalog, image(IMAGE))
    assert outcome.kind == ("refused" if other == SAFETY else "known")
    assert live(catalog) == [NOTE, SECOND_NOTE]


def test_a_setting_decides_about_later_copies(catalog: Catalog) -> None:
    rejected(catalog, SAFETY)
    rules = later_copies(SAFETY, LaterCopies.KEPT_HIDDEN)
    assert [one.kind for one in receive(catalog, image(IMAGE), rules=rules)] == ["known"]
    assert live(catalog) == [NOTE]


def test_a_setting_for_notes_of_others_does_not_bring_back_what_was_withdrawn_here(catalog: Catalog) -> None:
    """A document of a note that was revised here must not come back beside its successor."""
    receive(catalog, image(IMAGE))
    catalog.write(lambda tx: withdraw(tx, [IMAGE], act=acts.REVISED, text="", by=ROE, now=NOW))
    rules = later_copies(QUALITY, LaterCopies.RESTORED)
    assert [one.kind for one in receive(catalog, image(IMAGE), rules=rules)] == ["known"]
    assert live(catalog) == []


def test_a_copy_of_what_was_withdrawn_here_for_safety_is_refused(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    catalog.write(lambda tx: withdraw(tx, [IMAGE], act=acts.SAFETY, text="", by=ROE, now=NOW))
    assert [one.kind for one in receive(catalog, image(IMAGE))] == ["refused"]


def test_a_rejection_of_what_is_purged_is_a_success_that_changes_nothing(catalog: Catalog) -> None:
    rejected(catalog, EXPIRED)
    purge(catalog)
    before = standings(catalog)
    assert [one.kind for one in receive(catalog, rejection(SECOND_NOTE, IMAGE, title=SAFETY))] == ["stored"]
    assert standings(catalog) == before | {SECOND_NOTE: "live"}


# --- marks, and notes that are not shown ---


@pytest.mark.parametrize("note_first", [True, False])
def test_what_is_only_marked_stays_live(catalog: Catalog, note_first: bool) -> None:
    objects = [image(IMAGE), rejection(NOTE, IMAGE)]
    for each in reversed(objects) if note_first else objects:
        receive(catalog, each, rules=with_title(QUALITY, effect=Effect.MARKED))
    assert live(catalog) == [IMAGE, NOTE]
    assert withdrawals(catalog) == [(NOTE, "quality", "marked", ((IMAGE, ""),))]


def test_a_key_object_is_hidden_where_images_are_marked(catalog: Catalog) -> None:
    """A note that was replaced elsewhere would contradict its successor."""
    kos = Reference(place(KOS, KEY_OBJECT))
    receive(catalog, image(IMAGE), key_object(KOS, IMAGE))
    receive(catalog, rejection(NOTE, IMAGE, kos), rules=with_title(QUALITY, effect=Effect.MARKED))
    assert live(catalog) == [IMAGE, NOTE]
    assert [(effect, targets) for _, _, effect, targets in withdrawals(catalog)] == [
        ("hidden", ((KOS, ""),)),
        ("marked", ((IMAGE, ""),)),
    ]


@pytest.mark.parametrize("title", [SAFETY, EXPIRED], ids=lambda title: title.value)
def test_a_note_that_is_not_shown_is_known_when_it_comes_again(catalog: Catalog, title: Code) -> None:
    rules = with_title(title, shows_note=False)
    rejected(catalog, title, rules=rules)
    assert live(catalog) == []
    again = receive(catalog, rejection(NOTE, IMAGE, title=title), rules=rules)
    assert [one.kind for one in again] == ["known"]
    assert live(catalog) == []


def test_a_purged_note_does_not_act_again(catalog: Catalog) -> None:
    rules = with_title(EXPIRED, shows_note=False)
    rejected(catalog, EXPIRED, rules=rules)
    receive(catalog, image(IMAGE), rules=rules)
    assert live(catalog) == [IMAGE]
    purge(catalog, NOTE)
    before = withdrawals(catalog)
    again = receive(catalog, rejection(NOTE, IMAGE, title=EXPIRED), rules=rules)
    assert [one.kind for one in again] == ["stored"]
    assert live(catalog) == [IMAGE]
    assert withdrawals(catalog) == before


def test_a_purged_note_whose_rejection_was_undone_does_not_act_again(catalog: Catalog) -> None:
    rules = with_title(QUALITY, shows_note=False)
    rejected(catalog, QUALITY, rules=rules)
    purge(catalog, NOTE)
    with catalog.read() as connection:
        (key,) = connection.execute(select(withdrawal.c.id)).scalars()
    catalog.write(lambda tx: undo(tx, key, by=ROE, now=NOW))
    assert live(catalog) == [IMAGE]
    receive(catalog, rejection(NOTE, IMAGE), rules=rules)
    assert live(catalog) == [IMAGE, NOTE]
    assert len(withdrawals(catalog)) == 1


# --- the tables ---


def test_the_tables_are_complete() -> None:
    assert set(EFFECTS) == {Asked(*each) for each in product((False, True), repeat=3)}
    assert set(FATES) == set(product(Held, LaterCopies))


def test_nobody_without_the_right_changes_anything() -> None:
    assert {effect for asked, effect in EFFECTS.items() if not asked.may_reject} == {Effect.PROPOSED}
    assert {effect for asked, effect in EFFECTS.items() if asked.may_reject} == {Effect.HIDDEN, Effect.MARKED}


def test_what_comes_first_is_no_later_copy() -> None:
    assert {fate for (held, _), fate in FATES.items() if held is Held.NOTHING} == {Fate.HIDDEN}


def test_the_strictest_comes_first() -> None:
    assert [
        strictest(set(LaterCopies) - set(done)) for done in ((), {"refused"}, {"refused", "kept hidden"})
    ] == [
        LaterCopies.REFUSED,
        LaterCopies.KEPT_HIDDEN,
        LaterCopies.RESTORED,
    ]
    assert decisions.spared(is_of_another_patient=False, is_disputed=False) is None
