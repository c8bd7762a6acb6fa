"""The table of acts: what each says, and that what earlier versions stored is understood."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import withdrawal
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.keyobject import reader
from kinote.keyobject.titles import (
    REJECTED_FOR_QUALITY_REASONS,
    REMOVAL_REASONS,
    TITLES,
    TitleGroup,
    standard_meaning,
    title_group,
)
from kinote.lifecycle import acts
from kinote.lifecycle.acts import ACTS, Act, LaterCopies, stored_act
from kinote.lifecycle.explaining.explain import explain
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.lists.note import Note
from kinote.notes.lists.queries import notes_of_study
from tests.actors import ROE
from tests.notes.sample_studies import (
    FIRST,
    IMAGE,
    NOW,
    bytes_of,
    fill,
    key_object,
    later,
    made,
    receive,
    request,
)

CONSEQUENCES = {
    # name: reason, title, later copies, minutes to undo it, may be shown
    "revised": ("130754", "113001", "kept hidden", 10, False),
    "withdrawn by author": ("113001", "113001", "kept hidden", 10, False),
    "note withdrawn": ("113001", "113001", "kept hidden", 10, False),
    "wrong patient": ("113038", "113038", "refused", 10, False),
    "wrong order": ("113038", "113038", "refused", 10, False),
    "quality": ("113001", "113001", "kept hidden", 10, True),
    "safety": ("113037", "113037", "refused", 0, False),
    "retention expired": ("113039", "113039", "restored", 10, False),
    "other copy chosen": ("130754", None, "kept hidden", 10, False),
    "replaced by another copy": ("130754", "113001", "kept hidden", 10, False),
    "rejection undone": ("130754", None, "kept hidden", 0, False),
    "after restore": ("113001", None, "kept hidden", 0, False),
}


def test_the_acts_and_their_consequences() -> None:
    assert [act.name for act in ACTS] == list(CONSEQUENCES)
    assert {
        act.name: (
            act.reason.value,
            act.rejection_title and act.rejection_title.value,
            str(act.later_copies),
            act.undo_window / timedelta(minutes=1),
            act.may_be_shown,
        )
        for act in ACTS
    } == CONSEQUENCES


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_codes_of_acts_are_those_of_the_standard(act: Act) -> None:
    assert act.reason in REMOVAL_REASONS
    assert act.reason.meaning == standard_meaning(act.reason)
    if act.rejection_title is not None:
        assert act.rejection_title in TITLES
        assert title_group(act.rejection_title) is TitleGroup.REJECTION
        assert act.rejection_title.meaning == standard_meaning(act.rejection_title)
    assert act.sentence.endswith(".") and act.sentence[0].isupper()


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_acts_keep_to_what_receivers_do_by_the_title(act: Act) -> None:
    """IHE RAD TF-3 4.66.4.1.3: the title is all that a receiver learns, so two systems must agree by it."""
    title = act.rejection_title.value if act.rejection_title else None
    by_title = {
        "113001": LaterCopies.KEPT_HIDDEN,
        "113037": LaterCopies.REFUSED,
        "113038": LaterCopies.REFUSED,
        "113039": LaterCopies.RESTORED,
        None: LaterCopies.KEPT_HIDDEN,
    }
    assert act.later_copies is by_title[title]
    assert not act.may_be_shown or title == "113001"


def test_every_text_that_was_ever_stored_is_understood() -> None:
    assert all(stored_act(act.name) is act for act in ACTS)
    assert stored_act("note revised") is acts.REVISED
    assert stored_act("note withdrawn") is acts.NOTE_WITHDRAWN
    assert stored_act("abducted") is None


@pytest.mark.parametrize(
    ("stored", "explained"), [("note revised", "revised"), ("note withdrawn",) * 2, ("abducted",) * 2]
)
def test_what_an_earlier_or_later_version_stored_is_explained(
    catalog: Catalog, stored: str, explained: str
) -> None:
    fill(catalog)
    catalog.write(lambda tx: withdraw(tx, [IMAGE], act=acts.SAFETY, text="", by=ROE, now=NOW))
    catalog.write(lambda tx: tx.execute(withdrawal.update().values(act=stored)))
    with catalog.read() as connection:
        (copy,) = explain(connection, IMAGE)
    assert [named.act for named in copy.withdrawals] == [explained]
    assert any(f"({explained})" in sentence for sentence in copy.sentences)


def _withdrawn(
    catalog: Catalog, number: int | None, *, who: str = "roe", act: Act | None = None
) -> list[Note]:
    """Withdraw a note; gives the rejection notes that came of it."""
    assert number is not None
    by = replace(ROE, name=who)
    catalog.write(lambda tx: withdraw_note(tx, number, act=act, text="why", by=by, now=later(NOW)))
    with catalog.read() as connection:
        listed = notes_of_study(connection, FIRST, everything=True)
    return [note for note in listed if note.title_group == "rejection"]


def _stored(catalog: Catalog) -> list[tuple[str, str, str]]:
    with catalog.read() as connection:
        rows = connection.execute(select(withdrawal).order_by(withdrawal.c.id)).all()
    return [(row.act, row.reason_value, row.rejection_note_uid) for row in rows]


@pytest.mark.parametrize("act", [act for act in ACTS if act.rejection_title], ids=str)
def test_title_and_reason_of_a_rejection_note_are_those_of_its_act(catalog: Catalog, act: Act) -> None:
    fill(catalog)
    (rejection,) = _withdrawn(catalog, made(catalog, request(IMAGE)).id, act=act)
    assert act.rejection_title is not None
    assert rejection.title == act.rejection_title
    assert rejection.title.meaning == act.rejection_title.meaning
    assert rejection.description == f"{act.sentence} {act.reason.meaning}: why"
    reading = reader.read(bytes_of(catalog, rejection)[0], EXPLICIT_VR_LITTLE_ENDIAN)
    assert (reading.findings, reading.title) == ((), act.rejection_title)
    assert _stored(catalog) == [(act.name, act.reason.value, rejection.key_objects[0].sop_instance_uid)]


def test_an_act_without_a_title_tells_nobody(catalog: Catalog) -> None:
    fill(catalog)
    assert _withdrawn(catalog, made(catalog, request(IMAGE)).id, act=acts.OTHER_COPY_CHOSEN) == []
    assert _stored(catalog) == [("other copy chosen", "130754", "")]


@pytest.mark.parametrize(
    ("who", "act"),
    [
        ("jdoe", "withdrawn by author"),
        ("Doe^Jane", "withdrawn by author"),
        ("roe", "note withdrawn"),
        ("", "note withdrawn"),
    ],
)
def test_a_note_is_taken_back_by_its_author_or_by_another(catalog: Catalog, who: str, act: str) -> None:
    fill(catalog)
    (rejection,) = _withdrawn(catalog, made(catalog, request(IMAGE)).id, who=who)
    assert rejection.title == REJECTED_FOR_QUALITY_REASONS
    assert [stored[0] for stored in _stored(catalog)] == [act]


def test_the_author_of_a_received_note_may_be_anybody_of_that_name(catalog: Catalog) -> None:
    fill(catalog)
    receive(catalog, key_object("1.2.1.70.1", IMAGE))
    with catalog.read() as connection:
        (received,) = notes_of_study(connection, FIRST)
    _withdrawn(catalog, received.id, who=received.author.name)
    assert [stored[0] for stored in _stored(catalog)] == ["note withdrawn"]
