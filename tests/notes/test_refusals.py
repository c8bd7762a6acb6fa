"""What is refused, by field; and that everything wrong is said at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from kinote.catalog.schema.tables import instance, note, patient, study
from kinote.catalog.transactions.catalog import Catalog
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import BEST_IN_SET, OF_INTEREST, QUALITY_ISSUE, REJECTED_FOR_QUALITY_REASONS
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.notes.acts.make import make
from kinote.notes.acts.request import NoteRefusedError, NoteRequest
from kinote.notes.author import Author
from tests.actors import ROE
from tests.notes.sample_studies import (
    FIRST,
    FIRST_STATE,
    FRAMES,
    IMAGE,
    IMAGE_2,
    NOW,
    OTHER_IMAGE,
    SECOND,
    SECOND_IMAGE,
    SECOND_STATE,
    SEGMENTS,
    flag,
    made,
    request,
)
from tests.scale import SCALE

MANIFEST = Code("113030", "DCM")
UNKNOWN = "1.2.1.1.99"


def refused(catalog: Catalog, *wanted: NoteRequest, study: str | None = None) -> list[str]:
    """The fields that are named when making notes is refused."""
    with pytest.raises(NoteRefusedError) as error:
        catalog.write(lambda tx: make(tx, wanted, study_instance_uid=study, by=ROE, now=NOW))
    assert all(problem.message for problem in error.value.problems)
    return [problem.field for problem in error.value.problems]


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        (request(IMAGE, title=REJECTED_FOR_QUALITY_REASONS), ["title"]),
        (request(IMAGE, title=MANIFEST), ["title"]),
        (request(IMAGE, title=Code("MADOTEMP001", "99IHE")), ["title"]),
        (request(IMAGE, title=Code("128180", "DCM")), ["title"]),
        (request(IMAGE, title=Code("X", "99TEST")), ["title"]),
        (request(IMAGE, title=Code("X", "99TEST", "a\\b")), ["title"]),
        (request(IMAGE, title=BEST_IN_SET), ["modifiers"]),
        (request(IMAGE, title=BEST_IN_SET, modifiers=(Code("111207", "DCM"),)), ["modifiers[0]"]),
        (request(IMAGE, title=QUALITY_ISSUE, modifiers=(Code("113014", "DCM"),)), ["modifiers[0]"]),
        (request(IMAGE, modifiers=(Code("X", "99TEST"),)), ["modifiers[0]"]),
        (request(), ["references"]),
        (request("not a uid"), ["references[0].sop_instance_uid"]),
        (request(IMAGE, UNKNOWN), ["references[1].sop_instance_uid"]),
        (request(IMAGE, IMAGE), ["references[1]"]),
        (request(IMAGE, OTHER_IMAGE), ["references[1]"]),
        (request(flag(IMAGE, frames=(1,))), ["references[0].frames"]),
        (request(flag(FRAMES, frames=(11,))), ["references[0].frames"]),
        (request(flag(FRAMES, frames=(0,))), ["references[0].frames"]),
        (request(flag(FRAMES, frames=(3, 3))), ["references[0].frames"]),
        (request(flag(SEGMENTS, frames=(1,), segments=(1,))), ["references[0].frames"]),
        (request(flag(SEGMENTS, segments=(0,))), ["references[0].segments"]),
        (request(flag(SEGMENTS, segments=(1, 1))), ["references[0].segments"]),
        (request(flag(SEGMENTS, segments=(65_536,))), ["references[0].segments"]),
        (request(flag(FRAMES, segments=(1,))), ["references[0].segments"]),
        (request(IMAGE, description="half \ud800 a character"), ["description"]),
        (request(IMAGE, author=Author(name="half \ud800 a character")), ["author.name"]),
        (
            request(flag(IMAGE, presentation_state_uid=UNKNOWN)),
            ["references[0].presentation_state_uid"],
        ),
        (
            request(flag(IMAGE, presentation_state_uid=IMAGE_2)),
            ["references[0].presentation_state_uid"],
        ),
        (
            request(flag(IMAGE, presentation_state_uid=SECOND_STATE)),
            ["references[0].presentation_state_uid"],
        ),
        (
            request(flag(FIRST_STATE, presentation_state_uid=FIRST_STATE)),
            ["references[0].presentation_state_uid"],
        ),
        (request(flag(IMAGE, study_instance_uid=SECOND)), ["references[0].study_instance_uid"]),
        (request(flag(IMAGE, series_instance_uid="1.2.1.2")), ["references[0].series_instance_uid"]),
        (request(IMAGE, description="x" * 100_001), ["description"]),
        (request(IMAGE, description="a\x00b"), ["description"]),
        (request(IMAGE, language="english please"), ["language"]),
        (request(IMAGE, language="x"), ["language"]),
        (request(IMAGE, author=Author("robot", "R2")), ["author.kind"]),
        (request(IMAGE, author=Author("person", "a\\b")), ["author.name"]),
        (request(IMAGE, author=Author("person", "n" * 65)), ["author.name"]),
        (request(IMAGE, author=Author("person", "", "login")), ["author.name"]),
        (request(IMAGE, author=Author("person", "a^b^c^d^e^f")), ["author.name"]),
        (request(IMAGE, author=Author("person", "a=b=c=d")), ["author.name"]),
        (request(IMAGE, author=Author("person", "a\nb")), ["author.name"]),
        (request(IMAGE, author=Author("person", "Roe", "a\nb")), ["author.login"]),
        (request(IMAGE, title=Code(" X", "99TEST", "Local")), ["title"]),
        (request(IMAGE, title=Code("X", "99TEST ", "Local")), ["title"]),
        (request(IMAGE, title=Code("X", "9" * 17, "Local")), ["title"]),
        (request(IMAGE, title=Code("X", "99TEST", "m" * 65)), ["title"]),
        (request(IMAGE, title=Code("中" * 17, "99TEST", "Local")), ["title"]),
        (request(IMAGE, title=Code("a\tb", "99TEST", "Local")), ["title"]),
    ],
)
def test_refused_by_field(filled_sqlite: Catalog, wanted: NoteRequest, fields: list[str]) -> None:
    assert refused(filled_sqlite, wanted) == fields


@pytest.mark.parametrize(
    "language", ["", "de", "en-GB", "zh-Hant-TW", "sl-rozaj-biske", "de-1996", "en-x-us"]
)
def test_languages_by_rfc_5646(filled_sqlite: Catalog, language: str) -> None:
    assert made(filled_sqlite, request(IMAGE, language=language)).language == language


def test_everything_wrong_is_said_at_once(filled_sqlite: Catalog) -> None:
    wanted = request(
        UNKNOWN,
        flag(FRAMES, frames=(99,), presentation_state_uid=IMAGE),
        title=BEST_IN_SET,
        language="?",
        author=Author("robot"),
    )
    assert refused(filled_sqlite, wanted) == [
        "modifiers",
        "language",
        "author.kind",
        "references[0].sop_instance_uid",
        "references[1].frames",
        "references[1].presentation_state_uid",
    ]


def test_of_several_notes_none_is_made_when_one_is_refused(filled: Catalog) -> None:
    assert refused(filled, request(IMAGE), request(UNKNOWN), request(OTHER_IMAGE, title=MANIFEST)) == [
        "[1].references[0].sop_instance_uid",
        "[2].title",
    ]
    with filled.read() as connection:
        assert connection.execute(select(func.count()).select_from(note)).scalar_one() == 0


def test_the_study_asked_for_has_one_of_the_images(filled_sqlite: Catalog) -> None:
    assert refused(filled_sqlite, request(IMAGE), study=SECOND) == ["references"]
    assert made(filled_sqlite, request(IMAGE, SECOND_IMAGE), study=SECOND).study_instance_uid == SECOND
    assert made(filled_sqlite, request(IMAGE), study=FIRST).study_instance_uid == FIRST


def test_a_withdrawn_image_is_refused(filled: Catalog) -> None:
    filled.write(lambda tx: withdraw(tx, [IMAGE], act=QUALITY, text="", by=ROE, now=NOW))
    assert refused(filled, request(IMAGE_2, IMAGE)) == ["references[1].sop_instance_uid"]


@pytest.mark.parametrize(
    ("changed", "is_refused"),
    [
        ({}, True),
        # An ID of another issuer, or none, does not say that it is somebody else.
        ({"issuer": "ELSEWHERE"}, False),
        ({"patient_id": ""}, False),
        ({"merged_into": 1}, False),
    ],
)
def test_whose_images_go_together(filled: Catalog, changed: dict[str, Any], is_refused: bool) -> None:
    def change(tx: Any) -> None:
        first = tx.execute(select(study.c.patient).where(study.c.study_instance_uid == FIRST)).scalar_one()
        values = {**changed, "merged_into": first} if "merged_into" in changed else changed
        if values:
            tx.execute(patient.update().where(patient.c.patient_id == "P2").values(**values))

    filled.write(change)
    if is_refused:
        assert refused(filled, request(IMAGE, OTHER_IMAGE)) == ["references[1]"]
    else:
        assert len(made(filled, request(IMAGE, OTHER_IMAGE)).references) == 2


def test_a_uid_no_document_can_hold_is_refused(filled_sqlite: Catalog) -> None:
    long = "1.2.1.1." + "7" * 60

    def lengthen(tx: Any) -> None:
        tx.execute(
            instance.update().where(instance.c.sop_instance_uid == IMAGE).values(sop_instance_uid=long)
        )

    filled_sqlite.write(lengthen)
    assert refused(filled_sqlite, request(long)) == ["references[0].sop_instance_uid"]


def test_padding_is_no_content(filled_sqlite: Catalog) -> None:
    note = made(
        filled_sqlite, request(IMAGE, description=" a \n ", author=Author("person", " Doe^Jane ", " j "))
    )
    assert (note.description, note.author.name, note.author.login) == (" a", "Doe^Jane", "j")
    assert made(filled_sqlite, request(IMAGE, description=" \n ")).description == ""
    assert note.title == OF_INTEREST


#: Text that is right somewhere and wrong elsewhere: control characters, separators of DICOM, spaces at the ends, long
#: ones, characters that cannot be encoded, and other scripts.
ODD = st.text(
    st.sampled_from("ab \t\n\r\x0b\x0c\x00\x1b\x7f\\\\^=,;\u3000中\xa0\ud800"), max_size=6
) | st.sampled_from(
    ["x" * 16, "x" * 17, "x" * 64, "x" * 65, "^" * 4, "^" * 5, "=" * 2, "=" * 3, "中" * 64, "中" * 65]
)


@pytest.mark.soak
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=SCALE.property_examples)
@given(value=ODD, scheme=ODD, meaning=ODD, description=ODD, name=ODD, login=ODD)
def test_what_is_taken_can_be_written_and_what_is_not_is_named(
    filled_sqlite: Catalog, value: str, scheme: str, meaning: str, description: str, name: str, login: str
) -> None:
    """The writer of documents is never the first to object, whatever the field."""
    wanted = request(
        IMAGE,
        title=Code(value or "X", scheme or "99TEST", meaning),
        description=description,
        author=Author("person", name, login),
    )
    taken = []

    def attempt(transaction: Connection) -> None:
        taken.extend(make(transaction, [wanted], study_instance_uid=None, by=ROE, now=NOW))
        raise _NotKeptError

    with pytest.raises((NoteRefusedError, _NotKeptError)) as raised:
        filled_sqlite.write(attempt)
    if isinstance(raised.value, NoteRefusedError):
        fields = {problem.field for problem in raised.value.problems}
        assert fields <= {"title", "description", "author.name", "author.login"}
        assert taken == []


class _NotKeptError(Exception):
    """Undoes a note that was only tried."""
