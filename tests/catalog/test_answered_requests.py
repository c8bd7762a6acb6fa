"""A request under a key is carried out once, and its answer kept in the transaction of the act."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, event, func, select

from kinote.catalog.answered_requests import (
    LIFETIME,
    Answer,
    KeyedRequest,
    KeyReusedError,
    answer_once,
    find_answer,
)
from kinote.catalog.schema.tables import answered_request, index_fact
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
REQUEST = KeyedRequest(actor="roe", key="key-1", digest="d1")
#: With an octet that is no text.
ANSWER = Answer(201, {"Location": "/here", "ETag": '"1"'}, "所見".encode() + b"\x00\xff")


class FaultError(Exception):
    """What goes wrong on purpose."""


def doing(name: str) -> Callable[[Connection], Answer]:
    """An act that cannot be done twice: a name is taken once."""

    def do(transaction: Connection) -> Answer:
        transaction.execute(index_fact.insert(), {"name": f"act {name}", "value": ""})
        return ANSWER

    return do


def ask(
    catalog: Catalog, request: KeyedRequest = REQUEST, name: str = "one", now: datetime = NOW
) -> tuple[Answer, bool]:
    return catalog.write(lambda transaction: answer_once(transaction, request, doing(name), now))


def acts(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        names = connection.execute(
            select(index_fact.c.name).where(index_fact.c.name.startswith("act "))
        ).scalars()
        return sorted(name.removeprefix("act ") for name in names)


def keys(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        return sorted(connection.execute(select(answered_request.c.key)).scalars())


def test_the_same_request_again_gets_the_same_answer(catalog: Catalog) -> None:
    assert ask(catalog) == (ANSWER, True)
    assert ask(catalog, name="two") == (ANSWER, False)
    assert ask(catalog, name="two", now=NOW + LIFETIME) == (ANSWER, False)
    with catalog.read() as connection:
        assert find_answer(connection, REQUEST, NOW) == ANSWER
        assert find_answer(connection, replace(REQUEST, key="key-2"), NOW) is None
    assert acts(catalog) == ["one"]


def test_another_request_under_the_key_is_refused(catalog: Catalog) -> None:
    ask(catalog)
    with pytest.raises(KeyReusedError):
        ask(catalog, replace(REQUEST, digest="d2"), "two")
    with catalog.read() as connection, pytest.raises(KeyReusedError):
        find_answer(connection, replace(REQUEST, digest="d2"), NOW)
    assert acts(catalog) == ["one"]
    assert ask(catalog) == (ANSWER, False)


@pytest.mark.parametrize("other", [replace(REQUEST, actor="rhea"), replace(REQUEST, key="KEY-1")])
def test_other_actors_and_other_keys_are_other_requests(catalog: Catalog, other: KeyedRequest) -> None:
    assert ask(catalog, name="one")[1] and ask(catalog, other, "two")[1]
    assert acts(catalog) == ["one", "two"]


def test_an_act_that_fails_leaves_no_key(catalog: Catalog) -> None:
    def fail(transaction: Connection) -> Answer:
        doing("failed")(transaction)
        raise FaultError

    with pytest.raises(FaultError):
        catalog.write(lambda transaction: answer_once(transaction, REQUEST, fail, NOW))
    assert (acts(catalog), keys(catalog)) == ([], [])
    assert ask(catalog) == (ANSWER, True)


def test_act_and_key_are_committed_together_or_not_at_all(catalog: Catalog) -> None:
    """The transaction ends after both were written, and before it has committed."""

    def work(transaction: Connection) -> None:
        answer_once(transaction, REQUEST, doing("one"), NOW)
        written = transaction.execute(select(func.count()).select_from(answered_request)).scalar_one()
        raise FaultError(written)

    with pytest.raises(FaultError, match="1"):
        catalog.write(work)
    assert (acts(catalog), keys(catalog)) == ([], [])
    assert ask(catalog) == (ANSWER, True)
    assert (acts(catalog), keys(catalog)) == (["one"], ["key-1"])


def test_of_many_who_ask_at_once_one_does_it(database_url: str) -> None:
    """Through two catalogs, as two servers on one database have: nothing in one process keeps them apart."""
    catalogs = [Catalog(CatalogOptions(database_url)) for _ in range(2)]
    together = threading.Barrier(20)
    found: list[tuple[Answer, bool]] = []

    def run(number: int) -> None:
        together.wait(60)
        found.append(ask(catalogs[number % 2], name=f"by {number}"))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [answer for answer, _ in found] == [ANSWER] * 20
    assert [is_new for _, is_new in found].count(True) == 1
    assert len(acts(catalogs[0])) == 1
    assert keys(catalogs[1]) == ["key-1"]
    for each in catalogs:
        each.close()


def test_a_key_is_forgotten_after_seven_days(catalog: Catalog) -> None:
    assert timedelta(days=7) == LIFETIME
    ask(catalog)
    later = NOW + LIFETIME + timedelta(microseconds=1)
    with catalog.read() as connection:
        assert find_answer(connection, REQUEST, later) is None
    assert ask(catalog, replace(REQUEST, digest="d2"), "two", later) == (ANSWER, True)
    assert (acts(catalog), keys(catalog)) == (["one", "two"], ["key-1"])


def test_each_key_that_is_written_removes_some_that_are_too_old(catalog: Catalog) -> None:
    for number in range(25):
        ask(
            catalog, replace(REQUEST, key=f"old {number:02}"), f"{number:02}", NOW + timedelta(seconds=number)
        )
    later = NOW + LIFETIME + timedelta(seconds=23)
    ask(catalog, replace(REQUEST, key="new 1"), "new 1", later)
    assert keys(catalog) == ["new 1", *(f"old {number:02}" for number in range(10, 25))]
    ask(catalog, replace(REQUEST, key="new 2"), "new 2", later)
    ask(catalog, replace(REQUEST, key="new 3"), "new 3", later)
    assert keys(catalog) == ["new 1", "new 2", "new 3", "old 23", "old 24"]


def test_no_statement_walks_through_all_keys(sqlite_url: str) -> None:
    catalog = Catalog(CatalogOptions(sqlite_url))
    statements: list[tuple[str, object]] = []
    with catalog.read() as connection:
        engine = catalog._writers
        event.listen(engine, "before_cursor_execute", lambda *given: statements.append((given[2], given[3])))
        ask(catalog)
        steps = [
            row.detail
            for statement, parameters in statements
            if "answered_request" in statement
            for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)  # type: ignore[arg-type]
        ]
    catalog.close()
    assert len(steps) >= 3
    assert [step for step in steps if step.startswith("SCAN answered_request")] == []
