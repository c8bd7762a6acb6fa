"""Law 5: a note that cannot be made harms no other of its commit group, and leaves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import Catalog
from kinote.intake.outcome import Outcome
from kinote.notes.acts.make import make
from kinote.notes.lists.queries import notes_of_study
from kinote.notes.registrar import read_content, register
from tests.actors import ROE
from tests.notes.sample_studies import FIRST, IMAGE, NOW, key_object, receive, request


def in_one_group(catalog: Catalog, works: list[Callable[[Connection], Any]]) -> list[Any]:
    """Do these in one commit group: results, or what was raised."""
    begun, go = threading.Event(), threading.Event()

    def hold_up(_: Connection) -> None:
        begun.set()
        go.wait(30)

    held = [catalog.submit(hold_up) for _ in catalog._threads]
    begun.wait(30)
    futures = [catalog.submit(work) for work in works]
    go.set()
    for one in held:
        one.result(30)
    return [future.exception(30) or future.result() for future in futures]


def hold_law_5(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three notes in one group, of which the second fails at its end."""
    record = changes.record

    def work(description: str) -> Callable[[Connection], Any]:
        def make_it(transaction: Connection) -> Any:
            wanted = [request(IMAGE, description=description)]
            if description == "bad":
                with monkeypatch.context() as patched:
                    patched.setattr(changes, "record", _raise_after(record))
                    return make(transaction, wanted, study_instance_uid=None, by=ROE, now=NOW)
            return make(transaction, wanted, study_instance_uid=None, by=ROE, now=NOW)

        return make_it

    results = in_one_group(catalog, [work("first"), work("bad"), work("last")])
    assert isinstance(results[1], RuntimeError)
    with catalog.read() as connection:
        found = [note.description for note in notes_of_study(connection, FIRST)]
    assert found == ["first", "last"]
    assert [result[0] for result in (results[0], results[2])]


def _raise_after(record: Callable[..., None]) -> Callable[..., None]:
    def recorded(transaction: Connection, happened: Any, **options: Any) -> None:
        record(transaction, happened, **options)
        if any(item.kind == "note made" for item in happened):
            raise RuntimeError("full")

    return recorded


def test_law_5_a_failing_note_harms_no_other(filled: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    hold_law_5(filled, monkeypatch)


def test_breach_of_law_5_is_noticed(filled: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a group without savepoints of their own."""
    monkeypatch.setattr(dialects, "savepoint", lambda _: nullcontext(lambda: None))
    with pytest.raises(AssertionError):
        hold_law_5(filled, monkeypatch)


def test_law_5_a_document_that_cannot_be_registered_fails_alone(
    filled: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    content_of = read_content.content_of

    def failing(reading: Any) -> Any:
        if reading.description == "bad":
            raise RuntimeError("a reading nobody has thought of")
        return content_of(reading)

    monkeypatch.setattr(register, "content_of", failing)
    documents = [
        key_object(f"1.2.1.70.{number}", IMAGE, description=description)
        for number, description in enumerate(("first", "bad", "last"))
    ]

    def take(document: bytes) -> list[Outcome] | None:
        try:
            return receive(filled, document)
        except RuntimeError:
            return None

    assert [bool(take(document)) for document in documents] == [True, False, True]
    with filled.read() as connection:
        assert [note.description for note in notes_of_study(connection, FIRST)] == ["first", "last"]
