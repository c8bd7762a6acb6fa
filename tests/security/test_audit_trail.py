"""The audit trail: written with the act, gathered for reads, sealed in a chain that shows every change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.security.actors import Actor, ActorKind
from kinote.security.audit.chain import MOST, check_chain, seal, unsealed
from kinote.security.audit.entry import AuditEvent, Concerned, Entry, event_of_request
from kinote.security.audit.keeping import remove_old
from kinote.security.audit.search import TrailSearch, search_trail
from kinote.security.audit.trail import AuditTrail
from kinote.security.audit.writing import write_entries
from kinote.security.rights import REQUESTS, Right
from tests.actors import ROE

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Clock:
    """The moment that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trail(catalog: Catalog, clock: Clock) -> Iterator[AuditTrail]:
    opened = AuditTrail(catalog, clock, kept=timedelta(days=365))
    yield opened
    opened.close()


def marked(number: int) -> Entry:
    return Entry(AuditEvent.MARKED, ROE, concerned=Concerned(note=number))


def write(catalog: Catalog, trail: AuditTrail, *entries: Entry) -> None:
    catalog.write(lambda transaction: trail.write(transaction, entries, NOW))


def found(catalog: Catalog, **wanted: str) -> list[str]:
    with catalog.read() as connection:
        return [
            f"{each['event']} {each['subject'] or ''}".strip()
            for each in search_trail(connection, TrailSearch(**wanted), before=None, limit=100)  # type: ignore[arg-type]
        ]


def faults(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        return list(check_chain(connection).faults)


def change(catalog: Catalog, statement: str) -> None:
    def work(transaction: Connection) -> None:
        transaction.execute(text(statement))

    catalog.write(work)


def test_an_entry_is_written_with_its_act_or_not_at_all(catalog: Catalog, trail: AuditTrail) -> None:
    def act(transaction: Connection) -> None:
        trail.write(transaction, [marked(7)], NOW)
        raise RuntimeError("the act fails")

    with pytest.raises(RuntimeError, match="the act fails"):
        catalog.write(act)
    assert found(catalog) == []
    write(catalog, trail, marked(7))
    assert found(catalog) == ["marked note 7"]


def test_reads_are_gathered_and_each_is_listed_once_in_ten_minutes(
    catalog: Catalog, trail: AuditTrail, clock: Clock
) -> None:
    read = Entry(AuditEvent.READ, ROE, concerned=Concerned(study="1.2.3"))
    other = Entry(AuditEvent.READ, Actor(ActorKind.PERSON, "doe", ""), concerned=Concerned(study="1.2.3"))
    for _ in range(1000):
        trail.note(read)
    trail.note(other)
    assert found(catalog) == []
    trail.flush()
    assert found(catalog) == ["read", "read"]
    clock.now += timedelta(minutes=11)
    trail.note(read)
    trail.flush()
    assert len(found(catalog)) == 3
    assert found(catalog, actor="doe") == ["read"]


def test_what_is_beyond_the_bound_is_counted(
    catalog: Catalog, trail: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.security.audit.trail._MOST", 3)
    for number in range(10):
        trail.note(Entry(AuditEvent.READ, ROE, concerned=Concerned(study=f"1.{number}")))
    trail.flush()
    with catalog.read() as connection:
        details = [each["detail"] for each in search_trail(connection, TrailSearch(), before=None, limit=99)]
    assert details == [{"not listed": 7}, {}, {}, {}]


def test_what_cannot_be_written_waits(
    catalog: Catalog, trail: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail.note(marked(1))
    with monkeypatch.context() as failing:
        failing.setattr("kinote.security.audit.trail.write_entries", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            trail.flush()
    trail.flush()
    assert found(catalog) == ["marked note 1"]


def test_an_entry_that_no_database_takes_keeps_no_other_from_being_written(
    catalog: Catalog, trail: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(transaction: Connection, entries: list[tuple[Entry, datetime]]) -> None:
        if any("\0" in entry.concerned.study for entry, _ in entries):
            raise ValueError("a text has NUL")
        write_entries(transaction, entries)

    monkeypatch.setattr("kinote.security.audit.trail.write_entries", written)
    for number, study in enumerate(("1.2", "\0", "1.3")):
        trail.note(Entry(AuditEvent.READ, ROE, concerned=Concerned(study=study, subject=f"look {number}")))
    trail.flush()
    assert found(catalog) == ["read look 2", "read", "read look 0"]
    with catalog.read() as connection:
        details = [each["detail"] for each in search_trail(connection, TrailSearch(), before=None, limit=9)]
    assert details == [{}, {"not written": "ValueError"}, {}]


def test_an_entry_about_a_study_with_nul_in_its_uid_does_not_stop_the_trail(
    catalog: Catalog, trail: AuditTrail
) -> None:
    for study in ("1.2", "\0"):
        trail.note(Entry(AuditEvent.READ, ROE, concerned=Concerned(study=study)))
    trail.flush()
    assert len(found(catalog)) == 2


def test_nobody_s_refusals_are_one_entry_for_an_address_and_push_out_nothing(
    catalog: Catalog, trail: AuditTrail, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.security.audit.trail._MOST_REFUSED", 3)
    monkeypatch.setattr("kinote.security.audit.trail._MOST", 3)
    for number in range(100):
        trail.note(refused("192.0.2.1", f"1.{number}"))
    for number in range(2, 7):
        trail.note(refused(f"192.0.2.{number}", "1"))
    for number in range(3):
        trail.note(Entry(AuditEvent.READ, ROE, concerned=Concerned(study=f"1.{number}")))
    trail.flush()
    assert sorted(found(catalog)) == ["read"] * 3 + ["refused"] * 4
    clock.now += timedelta(minutes=2)
    trail.step()
    with catalog.read() as connection:
        entries = search_trail(connection, TrailSearch(), before=None, limit=99)
    told = [(each["by"]["address"], each["detail"]) for each in entries if each["detail"]]
    assert told == [("192.0.2.1", {"further": 99}), ("", {"not listed": 3})]


def refused(address: str, study: str) -> Entry:
    """A refusal of somebody without a name."""
    return Entry(
        AuditEvent.REFUSED, Actor(ActorKind.PERSON, "", address), "refused", concerned=Concerned(study=study)
    )


def test_text_of_others_cannot_forge_lines(catalog: Catalog, trail: AuditTrail) -> None:
    forged = Actor(ActorKind.PERSON, "rhea\n2026-11-30 root signed in\x1b[31m", "192.0.2.1")
    write(catalog, trail, Entry(AuditEvent.SIGN_IN, forged, "failure", detail={"reason": "a\r\nb\u2028c"}))
    with catalog.read() as connection:
        (entry,) = search_trail(connection, TrailSearch(), before=None, limit=9)
    said = entry["by"]["name"] + entry["detail"]["reason"]
    assert said.isprintable()


def test_the_chain_is_whole_over_several_chunks(
    catalog: Catalog, trail: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.security.audit.chain.MOST", 3)
    for number in range(10):
        write(catalog, trail, marked(number))
    trail.seal()
    with catalog.read() as connection:
        checked = check_chain(connection)
        assert (checked.chunks, checked.entries, checked.faults) == (4, 10, ())
        assert unsealed(connection) == 0
        first = check_chain(connection, limit=2)
        assert first.after == 2
        rest = check_chain(connection, first.after)
        assert (rest.faults, rest.digest) == ((), checked.digest)
    assert MOST > 3


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("UPDATE audit_entry SET by_name = 'doe' WHERE subject = 'note 4'", "altered"),
        ("UPDATE audit_entry SET at = '2020' WHERE subject = 'note 4'", "altered"),
        ("DELETE FROM audit_entry WHERE subject = 'note 4'", "entries instead of 3"),
        (
            "INSERT INTO audit_entry (event, outcome, chunk) VALUES ('read', 'success', 2)",
            "entries instead of 3",
        ),
        ("UPDATE audit_entry SET chunk = 1 WHERE subject = 'note 4'", "entries instead of 3"),
        ("UPDATE audit_chunk SET digest = 'ab' WHERE id = 2", "altered"),
        ("UPDATE audit_chunk SET removed_at = 'x' WHERE id = 2", "was removed, and has entries"),
    ],
    ids=["another actor", "another time", "removed", "added", "moved", "digest", "as if by the rule"],
)
def test_every_change_of_the_chain_is_found(
    catalog: Catalog, trail: AuditTrail, monkeypatch: pytest.MonkeyPatch, tampering: str, said: str
) -> None:
    monkeypatch.setattr("kinote.security.audit.chain.MOST", 3)
    write(catalog, trail, *(marked(number) for number in range(9)))
    trail.seal()
    assert faults(catalog) == []
    change(catalog, tampering)
    assert any(said in fault for fault in faults(catalog)), faults(catalog)


def test_a_chunk_that_is_missing_is_found(
    catalog: Catalog, trail: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.security.audit.chain.MOST", 3)
    write(catalog, trail, *(marked(number) for number in range(9)))
    trail.seal()
    change(catalog, "DELETE FROM audit_entry WHERE chunk = 2")
    change(catalog, "DELETE FROM audit_chunk WHERE id = 2")
    assert "missing" in faults(catalog)[0]


def test_an_entry_that_commits_later_belongs_to_a_later_chunk(catalog: Catalog, trail: AuditTrail) -> None:
    """On PostgreSQL, a transaction may commit after others that drew greater keys."""
    if catalog.is_sqlite:
        write(catalog, trail, marked(1))
        trail.seal()
    else:
        another = dialects.engine_for(catalog._writers.url, pool_size=1)
        with another.connect() as slow, slow.begin():
            trail.write(slow, [marked(1)], NOW)
            write(catalog, trail, marked(2))
            trail.seal()
            assert found(catalog) == ["marked note 2"]
        another.dispose()
    trail.seal()
    assert faults(catalog) == []
    with catalog.read() as connection:
        assert unsealed(connection) == 0
        assert check_chain(connection).chunks == (1 if catalog.is_sqlite else 2)


def test_old_chunks_are_removed_by_the_rule_and_the_chain_stays_whole(
    catalog: Catalog, trail: AuditTrail, clock: Clock
) -> None:
    write(catalog, trail, marked(1), marked(2))
    trail.seal()
    catalog.write(lambda transaction: remove_old(transaction, NOW - timedelta(days=1), NOW))
    assert len(found(catalog)) == 2
    later = NOW + timedelta(days=366)
    removed = catalog.write(lambda transaction: remove_old(transaction, later - timedelta(days=365), later))
    assert removed == 2
    assert found(catalog) == ["trail removed chunk 1"]
    clock.now = later
    trail.seal()
    assert faults(catalog) == []
    change(catalog, "UPDATE audit_chunk SET removed_at = ''")
    assert "0 entries instead of 2" in faults(catalog)[0]


def test_all_that_is_too_old_is_removed_in_one_step(
    catalog: Catalog, trail: AuditTrail, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.security.audit.chain.MOST", 2)
    write(catalog, trail, *(marked(number) for number in range(10)))
    trail.seal()
    clock.now += timedelta(days=366)
    trail.step()
    assert found(catalog) == [f"trail removed chunk {number}" for number in (5, 4, 3, 2, 1)]
    assert faults(catalog) == []
    # The entries about these chunks become old, too.
    clock.now += timedelta(days=366)
    trail.step()
    assert found(catalog) == [f"trail removed chunk {number}" for number in (8, 7, 6)]
    assert faults(catalog) == []


def test_a_chunk_that_was_removed_without_an_entry_is_found(
    catalog: Catalog, trail: AuditTrail, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.security.audit.chain.MOST", 2)
    write(catalog, trail, marked(1), marked(2))
    trail.seal()
    clock.now += timedelta(days=366)
    trail.step()
    catalog.write(lambda transaction: trail.write(transaction, [marked(3), marked(4)], clock.now))
    trail.seal()
    assert faults(catalog) == []
    change(catalog, "DELETE FROM audit_entry WHERE chunk = 3")
    change(catalog, "UPDATE audit_chunk SET removed_at = 'x' WHERE id = 3")
    assert faults(catalog) == ["Chunk 3 of the audit trail was removed, and no entry says so."]


def test_nothing_is_sealed_twice(catalog: Catalog, trail: AuditTrail) -> None:
    write(catalog, trail, marked(1))
    assert catalog.write(lambda transaction: seal(transaction, NOW)) is not None
    assert catalog.write(lambda transaction: seal(transaction, NOW)) is None


def test_every_request_that_concerns_patients_or_changes_something_is_recorded() -> None:
    without = {
        (method, path)
        for (method, path), right in REQUESTS.items()
        if event_of_request(method, path, right) is None
    }
    assert {right for request, right in REQUESTS.items() if request in without} == {
        Right.CONNECT,
        Right.OBSERVE,
        Right.READ,
        Right.ADMINISTER,
    }
    assert [request for request in without if REQUESTS[request] is Right.READ] == [("GET", "/api/v1/changes")]
    # Those of the session are recorded where they are carried out.
    assert {method for method, path in without if not path.startswith("/api/v1/session")} == {
        "GET",
        "OPTIONS",
    }


def test_pages_go_on_where_the_last_one_ended(catalog: Catalog, trail: AuditTrail) -> None:
    for number in range(7):
        write(catalog, trail, marked(number))
    pages: list[str] = []
    before: tuple[str, int] | None = None
    while True:
        with catalog.read() as connection:
            page = search_trail(connection, TrailSearch(actor="roe"), before=before, limit=3)
        if not page:
            break
        pages += [each["subject"] for each in page]
        before = page[-1]["at"], page[-1]["id"]
    assert pages == [f"note {number}" for number in reversed(range(7))]


@pytest.mark.parametrize(
    "wanted",
    [{}, {"patient": "1"}, {"actor": "roe"}, {"event": "withdrawn"}, {"since": "2026"}, {"until": "2026"}],
    ids=str,
)
def test_a_search_reads_an_index_and_sorts_nothing(tmp_path: Path, wanted: dict[str, str]) -> None:
    catalog = Catalog(CatalogOptions(f"sqlite:///{tmp_path / 'index.db'}"))
    plans: list[str] = []

    def explained(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM audit_entry" in statement and not statement.startswith("EXPLAIN"):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[-1] for row in plan)

    event.listen(catalog._readers, "before_cursor_execute", explained)
    with catalog.read() as connection:
        search_trail(connection, TrailSearch(**wanted), before=("2026", 7), limit=10)  # type: ignore[arg-type]
    catalog.close()
    assert plans and all("USING INDEX audit_entry_by_" in step for step in plans), plans
