"""Searching notes, and how little of the index it reads."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import event

from kinote.catalog.transactions.catalog import Catalog
from kinote.keyobject.codes import Code
from kinote.notes.acts.make import make
from kinote.notes.acts.revise import revise
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.author import Author
from kinote.notes.lists.queries import NoteSearch, Page, SearchError, search
from tests.actors import ROE
from tests.notes.sample_studies import (
    IMAGE,
    NOW,
    OTHER_IMAGE,
    SECOND_IMAGE,
    key_object,
    made,
    receive,
    request,
)

TEACHING = Code("113004", "DCM", "For Teaching")
PRIVATE = Code("113004", "99TEST", "Something else")


def found(catalog: Catalog, **wanted: Any) -> Page:
    with catalog.read() as connection:
        return search(connection, NoteSearch(**wanted))


def descriptions(catalog: Catalog, **wanted: Any) -> list[str]:
    return [note.description for note in found(catalog, **wanted).items]


@pytest.fixture
def noted(filled: Catalog) -> Catalog:
    """A catalog with six notes, named by their descriptions, oldest first."""
    made(filled, request(IMAGE, description="Kleiner KNOTEN rechts", author=Author("person", "Doe^Jane")))
    made(filled, request(SECOND_IMAGE, description="右肺の結節", author=Author("person", "Doe^John")))
    made(filled, request(OTHER_IMAGE, description="100% sure_", author=Author("device", "Finder 3")))
    late = NOW + timedelta(hours=1)
    made(filled, request(IMAGE, description="Lehrbeispiel", title=TEACHING), now=late)
    made(filled, request(IMAGE, description="Private", title=PRIVATE), now=late)
    receive(filled, key_object("1.2.1.70.1", IMAGE, description="Received"), now=late)
    return filled


#: What is searched for, and the descriptions of what is found, newest first.
SEARCHES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["Received", "Private", "Lehrbeispiel", "100% sure_", "右肺の結節", "Kleiner KNOTEN rechts"]),
    ({"title": "113004"}, ["Private", "Lehrbeispiel"]),
    ({"title": "DCM|113004"}, ["Lehrbeispiel"]),
    ({"title": "99X|113004"}, []),
    ({"author": "doe"}, ["Private", "Lehrbeispiel", "右肺の結節", "Kleiner KNOTEN rechts"]),
    ({"author": "DOE^JOHN"}, ["右肺の結節"]),
    ({"author": "finder"}, ["100% sure_"]),
    ({"author": "jane"}, []),
    ({"origin": "received"}, ["Received"]),
    ({"origin": "migrated"}, []),
    ({"patient": "P2"}, ["100% sure_"]),
    ({"patient": "P"}, []),
    ({"text": "knoten"}, ["Kleiner KNOTEN rechts"]),
    ({"text": "結節"}, ["右肺の結節"]),
    ({"text": "肺"}, ["右肺の結節"]),
    ({"text": "0% s"}, ["100% sure_"]),
    ({"text": "%"}, ["100% sure_"]),
    ({"text": "e", "author": "doe jane"}, ["Private", "Lehrbeispiel", "Kleiner KNOTEN rechts"]),
    ({"since": "2026-11-24T06:00:00+00:00"}, ["Received", "Private", "Lehrbeispiel"]),
    ({"since": "2026-11-24T07:00:00 01:00"}, ["Received", "Private", "Lehrbeispiel"]),
    ({"since": "2026-11-25"}, []),
    ({"since": "2026-11-24T06:00:00+00:00", "origin": "authored"}, ["Private", "Lehrbeispiel"]),
    ({"since": "2026-11-24T06:31:00Z"}, ["Received", "Private", "Lehrbeispiel"]),
    ({"since": "2026-11-24T06:31:00"}, ["Received", "Private", "Lehrbeispiel"]),
    ({"since": "2026-11-24T07:00:00+01:00"}, ["Received", "Private", "Lehrbeispiel"]),
    ({"since": "2026-11-24T06:32:00Z"}, []),
    ({"title": "113004", "author": "doe", "patient": "P1", "text": "lehr"}, ["Lehrbeispiel"]),
]


def test_what_is_found(noted: Catalog) -> None:
    assert [(wanted, descriptions(noted, **wanted)) for wanted, _ in SEARCHES] == SEARCHES


def test_pages_add_up(noted: Catalog) -> None:
    for wanted, expected in SEARCHES:
        pages = []
        page = found(noted, **wanted, limit=2)
        pages += [note.description for note in page.items]
        while page.next is not None:
            page = found(noted, **wanted, before=page.next, limit=2)
            pages += [note.description for note in page.items]
        assert pages == expected, wanted


def test_notes_are_registered_in_utc_wherever_the_server_stands(filled: Catalog) -> None:
    in_tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    made(filled, request(IMAGE, description="at the full second"), now=in_tokyo.replace(microsecond=0))
    made(filled, request(IMAGE, description="a little later"), now=in_tokyo)
    assert descriptions(filled, since="2026-11-24T05:31:00Z") == ["a little later", "at the full second"]
    assert descriptions(filled, since="2026-11-24T05:31:00.1Z") == ["a little later"]
    assert descriptions(filled, since="2026-11-24T06:00:00Z") == []


def test_only_what_is_live_and_current_is_found(noted: Catalog) -> None:
    first, second = (note.id or 0 for note in found(noted, author="doe", limit=2).items)
    noted.write(lambda tx: withdraw_note(tx, first, text="", by=ROE, now=NOW))
    changed = request(IMAGE, description="Anders")
    noted.write(lambda tx: revise(tx, second, changed, expected_version=1, now=NOW, by=ROE))
    assert descriptions(noted, text="private") == descriptions(noted, text="lehr") == []
    assert descriptions(noted, text="anders") == ["Anders"]
    assert "Rejected" not in " ".join(descriptions(noted))
    assert len(found(noted, title="113001").items) == 2


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"origin": "elsewhere"}, "origin"),
    ],
)
def test_what_cannot_be_searched(filled_sqlite: Catalog, wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(SearchError) as error:
        found(filled_sqlite, **wanted)
    assert error.value.field == field


def test_a_page_costs_the_same_statements_however_many_notes(filled: Catalog) -> None:
    statements: list[str] = []

    def counted(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(filled._readers, "before_cursor_execute", counted)
    filled.write(lambda tx: make(tx, [request(IMAGE)] * 3, study_instance_uid=None, by=ROE, now=NOW))
    found(filled)
    few = len(statements)
    filled.write(lambda tx: make(tx, [request(IMAGE)] * 80, study_instance_uid=None, by=ROE, now=NOW))
    statements.clear()
    assert len(found(filled).items) == 83
    assert few == len(statements) <= 6


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"before": 40},
        {"title": "DCM|113000"},
        {"title": "113000"},
        {"author": "doe"},
        {"origin": "received"},
        {"patient": "P1"},
        {"text": "nodule"},
        {"since": "2026-11-24T05:00:00+00:00"},
        {"title": "113000", "author": "doe", "origin": "authored", "patient": "P1"},
    ],
)
def test_no_search_reads_a_whole_table_or_sorts_all_notes(
    filled_sqlite: Catalog, wanted: dict[str, Any]
) -> None:
    """Each search walks an index in order; what it sorts is bounded (a patient's, the latest)."""
    filled_sqlite.write(lambda tx: make(tx, [request(IMAGE)] * 50, study_instance_uid=None, by=ROE, now=NOW))
    plans: list[tuple[str, str]] = []

    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.startswith(("SELECT", "WITH")):
            cursor.execute("EXPLAIN QUERY PLAN " + statement, parameters)
            plans.extend((statement, row[3]) for row in cursor.fetchall())

    event.listen(filled_sqlite._readers, "before_cursor_execute", explain)
    found(filled_sqlite, **wanted)
    assert plans
    for statement, step in plans:
        if step.startswith("SCAN"):
            walked = ("note_version USING INDEX note_version_current", "note_text VIRTUAL TABLE", "found")
            subquery = step.startswith(("SCAN CONSTANT ROW", "SCAN (subquery", "SCAN anon"))
            assert subquery or step.removeprefix("SCAN ").startswith(walked), (step, statement)
    sorting = [statement for statement, step in plans if step == "USE TEMP B-TREE FOR ORDER BY"]
    bounded = ("note_version.note IN", "IN (SELECT", "anon_", "note_reference.version IN")
    assert all(any(part in statement for part in bounded) for statement in sorting), sorting


def test_since_when_a_note_is_there_does_not_depend_on_where_its_server_stands(noted: Catalog) -> None:
    tokyo = timezone(timedelta(hours=9))
    made(noted, request(IMAGE, description="Morning"), now=datetime(2026, 11, 24, 14, 0, tzinfo=tokyo))
    made(noted, request(IMAGE, description="Evening"), now=datetime(2026, 11, 24, 20, 0, tzinfo=tokyo))
    assert descriptions(noted, since="2026-11-24T10:00:00+00:00") == ["Evening"]
