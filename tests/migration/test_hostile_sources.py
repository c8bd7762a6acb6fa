"""Systems from which something is fetched and that do what they should not: nothing of it harms, and it is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from kinote.app import open_application
from kinote.app.application import Application
from kinote.catalog.schema.tables import instance
from kinote.dimse.transport.tls import NO_CERTIFICATES
from kinote.migration.fetching import web_source
from kinote.migration.fetching.account import fetches, missing_series
from kinote.migration.fetching.fetch import Fetches, FetchTold
from kinote.migration.fetching.named_sources import NamedSources
from kinote.migration.fetching.source import SourceError, Taking, Wanted, counted
from kinote.settings.model import Settings
from tests.migration.hostile import Hostile
from tests.migration.test_folders import as_file
from tests.notes.sample_studies import KEY_OBJECT, key_object

UID = "1.2.1.9.1"


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    with open_application(Settings.model_validate({"data": tmp_path / "data"}), "work") as opened:
        yield opened


def listed(tag: str, *uids: str) -> tuple[int, bytes]:
    return 200, json.dumps([{tag: {"vr": "UI", "Value": [uid]}} for uid in uids]).encode()


def part(content: bytes) -> tuple[int, bytes]:
    return 200, b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--b--\r\n"


def one_study(study: str, series: str, uid: str, content: bytes) -> dict[str, tuple[int, bytes | str]]:
    path = f"/studies/{study}/series/{series}/instances"
    return {
        "/studies": listed("0020000D", study),
        f"/studies/{study}/series": listed("0020000E", series),
        path: listed("00080018", uid),
        f"{path}/{uid}": part(content),
    }


def fetched(application: Application, address: str, user: str = "") -> FetchTold:
    found = NamedSources(application.catalog, application.peers, "KINOTE", NO_CERTIFICATES).find(
        f"http://{user}{address}/dicom-web"
    )
    work = Fetches(application.catalog, application.receiver, application.clock, wait=lambda seconds: None)
    *_, last = work.fetch(found.name, found.source, "notes", found.origin)
    return last


def here(application: Application) -> set[str]:
    with application.catalog.read() as connection:
        return set(connection.execute(select(instance.c.sop_instance_uid)).scalars())


def reasons(application: Application) -> list[str]:
    with application.catalog.read() as connection:
        (kept,) = fetches(connection)
        return [each["reason"] for each in missing_series(connection, kept["id"], after=("",) * 3, limit=100)]


KO = as_file(key_object(UID, "1.2.1.1.1"), UID, KEY_OBJECT)


def test_what_was_asked_for_is_taken(application: Application, hostile: tuple[str, type[Hostile]]) -> None:
    address, handler = hostile
    handler.answers.update(one_study("1.2.1", "1.2.1.9", UID, KO))
    assert fetched(application, address).account == {"series": 1, "listed": 1, "here": 1, "missing": 0}
    assert here(application) == {UID}


@pytest.mark.parametrize(
    ("study", "uid"), [("1.2.1", "1.2.1.9.7"), ("1.2.3", UID)], ids=["another object", "another study"]
)
def test_law_5_what_was_not_asked_for_is_not_taken(
    application: Application, hostile: tuple[str, type[Hostile]], study: str, uid: str
) -> None:
    address, handler = hostile
    handler.answers.update(one_study(study, "1.2.1.9", uid, KO))
    assert fetched(application, address).account["missing"] == 1
    assert not here(application)
    assert ["as announced" in reason for reason in reasons(application)] == [True]


def test_law_5_a_study_that_is_not_answered_for_holds_up_no_other(
    application: Application, hostile: tuple[str, type[Hostile]]
) -> None:
    address, handler = hostile
    handler.answers.update(one_study("1.2.1", "1.2.1.9", UID, KO))
    handler.answers["/studies"] = listed("0020000D", "1.2.0", "1.2.1", "1.2.2", "no uid/../x")
    told = fetched(application, address)
    assert told.has_ended
    assert (told.studies, told.of) == (3, 3)
    assert told.account == {"series": 3, "listed": 3, "here": 1, "missing": 2}
    assert all("status 404" in reason for reason in reasons(application))
    # Several in a row: the system is away, and the fetch goes on there the next time.
    handler.answers["/studies"] = listed("0020000D", "1.2.0", "1.2.01", "1.2.02", "1.2.1")
    told = fetched(application, address)
    assert not told.has_ended
    assert told.studies == 0


def test_passwords_go_to_nobody_else_and_are_not_told(
    application: Application, hostile: tuple[str, type[Hostile]]
) -> None:
    address, handler = hostile
    other = f"http://{address}/elsewhere"
    handler.answers["/studies"] = (302, other)
    told = fetched(application, address, "me:secret@")
    assert not told.has_ended
    assert "secret" not in f"{told.as_json()}"
    assert set(handler.asked) == {"/studies"}
    with application.catalog.read() as connection:
        assert "secret" not in str(fetches(connection))


def test_law_5_an_endless_page_is_not_read_to_its_end(
    application: Application, hostile: tuple[str, type[Hostile]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, handler = hostile
    handler.answers["/studies"] = listed("0020000D", *(f"1.2.{number}" for number in range(100)))
    monkeypatch.setattr(web_source, "_LONGEST_PAGE", 1000)
    assert "more than 1000 bytes" in fetched(application, address).problem


def test_law_5_matches_without_end_come_to_an_end() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 1

    with pytest.raises(SourceError, match="more than 10 matches"):
        list(counted(endless(), 10))


def test_law_5_objects_that_were_not_asked_for_end_an_answer(application: Application) -> None:
    found = NamedSources(application.catalog, application.peers, "KINOTE", NO_CERTIFICATES).find(
        "http://127.0.0.1:1"
    )
    found.source.close()
    taking = Taking(application.receiver, found.origin, Wanted(None, [UID], frozenset()))  # type: ignore[arg-type]
    assert taking.is_wanted(UID)
    taking.came.add(UID)
    # The same once more, or another.
    assert not taking.is_wanted(UID)
    assert not taking.is_wanted("1.2.3")
    with pytest.raises(SourceError, match="not asked for"):
        for number in range(200):
            taking.is_wanted(f"1.2.3.{number}")
