"""Law 1: one view. Whatever goes around it, and every counter that lags behind it, is noticed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from kinote.catalog.sql import statements
from kinote.catalog.sql.statements import FindOne
from kinote.lifecycle import counts
from tests.laws.acts import Acts, Asked
from tests.laws.arrivals import FIRST, KEY_OBJECT, SECOND, Image, image_uid
from tests.laws.audit import hold_all, hold_counters, hold_feed, hold_instance, hold_law_1
from tests.laws.day import IN_A_FILE, OF_A_WITHDRAWN_NOTE, WITHDRAWN, a_day

SERIES = f"/dicomweb/studies/{FIRST}/series/{FIRST}.1"

#: Addresses whose answers are made from the live view: each shows something else when it goes around it.
LISTS = (
    f"/dicomweb/studies/{FIRST}",
    f"/dicomweb/studies/{FIRST}/metadata",
    f"/dicomweb/studies/{FIRST}/instances",
    "/dicomweb/instances",
    f"/dicomweb/instances?SOPClassUID={KEY_OBJECT}",
    "/api/v1/studies",
    f"/api/v1/studies/{FIRST}",
    "/api/v1/notes",
    f"/api/v1/studies/{FIRST}/notes",
    f"/api/v1/studies/{FIRST}/notes?all=true",
    "/api/v1/findings?severity=error",
)

#: The same for what answers about one instance: its address, and the instance that is asked about.
OF_ONE = (
    (SERIES, WITHDRAWN),
    (f"{SERIES}/instances", WITHDRAWN),
    (f"{SERIES}/instances/{WITHDRAWN}", WITHDRAWN),
    (f"{SERIES}/instances/{WITHDRAWN}/metadata", WITHDRAWN),
    (f"{SERIES}/instances/{WITHDRAWN}/frames/1", WITHDRAWN),
    (f"{SERIES}/instances/{WITHDRAWN}/rendered", WITHDRAWN),
    (f"{SERIES}/instances/{WITHDRAWN}/thumbnail", WITHDRAWN),
    (f"{SERIES}/instances/{WITHDRAWN}/frames/1/rendered", WITHDRAWN),
    (f"{SERIES}/instances/{WITHDRAWN}/bulkdata/7FE00010", WITHDRAWN),
    (f"/dicomweb/instances?SOPInstanceUID={WITHDRAWN}", WITHDRAWN),
    (f"/api/v1/instances/{OF_A_WITHDRAWN_NOTE}/notes", OF_A_WITHDRAWN_NOTE),
)


def notices(hold: Callable[..., None], *arguments: object) -> bool:
    try:
        hold(*arguments)
    except AssertionError:
        return True
    return False


def _around(statement: str) -> str:
    return re.sub(r"\b(FROM|JOIN)\s+live_instance\b(?!\s+AS\b)", r"\1 instance AS live_instance", statement)


@contextmanager
def around_the_view(acts: Acts) -> Iterator[None]:
    """What is read meanwhile comes from the table of all instances."""

    def instead(_c: object, _u: object, statement: str, parameters: Any, *_r: object) -> tuple[str, Any]:
        return _around(statement), parameters

    def around_by_driver(connection: Connection, statement: str, parameters: Any) -> Any:
        return rows_by_driver(connection, _around(statement), parameters)

    def looked_up(query: FindOne, dialect: Any) -> Any:
        found = compiled(query, dialect)
        return replace(found, statement=_around(found.statement))

    rows_by_driver, compiled = statements.rows_by_driver, FindOne.compiled
    readers = acts.product.catalog._readers
    event.listen(readers, "before_cursor_execute", instead, retval=True)
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(statements, "rows_by_driver", around_by_driver)
            patched.setattr(FindOne, "compiled", looked_up)
            yield
    finally:
        event.remove(readers, "before_cursor_execute", instead)


@contextmanager
def goes_around(acts: Acts, address: str) -> Iterator[None]:
    """The answers at one address go around the view; that they do, and are well made, is seen to first."""
    request = acts.product.client.request
    path, _, query = address.partition("?")
    wanted = dict(part.split("=") for part in query.split("&") if part)

    def breached(method: str, asked: str, **options: Any) -> Any:
        given = options.get("params") or {}
        if asked != path or any(given.get(name) != value for name, value in wanted.items()):
            return request(method, asked, **options)
        with around_the_view(acts):
            return request(method, asked, **options)

    options: Mapping[str, Any] = {"params": wanted, "headers": {"Accept": "*/*"}}
    rightly = request("GET", path, **options)
    wrongly = breached("GET", path, **options)
    assert wrongly.status_code == 200, f"{address}: {wrongly.text}"
    assert (rightly.status_code, rightly.content) != (200, wrongly.content), f"{address} does not read it"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(acts.product.client, "request", breached)
        yield


def test_law_1_holds_and_counters_agree_at_every_commit_of_a_day(acts: Acts) -> None:
    with hold_counters(acts):
        a_day(acts)
    hold_all(acts)
    hold_feed(acts)
    for uid in acts.model.objects:
        hold_instance(acts, uid)


def test_breach_of_law_1_what_goes_around_the_view_is_noticed(acts: Acts) -> None:
    a_day(acts)
    unnoticed = []
    for address in LISTS:
        with goes_around(acts, address):
            if not notices(hold_law_1, acts):
                unnoticed.append(address)
    for address, uid in OF_ONE:
        with goes_around(acts, address):
            if not notices(hold_instance, acts, uid):
                unnoticed.append(address)
    assert unnoticed == []
    hold_law_1(acts)


def test_breach_of_law_1_a_delivery_around_the_view_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day(acts)

    def around(find: Callable[..., Any]) -> Callable[..., Any]:
        def found(*arguments: Any) -> Any:
            with around_the_view(acts):
                return find(*arguments)

        return found

    with monkeypatch.context() as patched:
        patched.setattr(acts.product.door, "find", around(acts.product.door.find))
        with pytest.raises(AssertionError, match="the source of delivery of study"):
            hold_law_1(acts)
    with monkeypatch.context() as patched:
        patched.setattr(acts.product.door, "find_instance", around(acts.product.door.find_instance))
        with pytest.raises(AssertionError, match=WITHDRAWN):
            hold_instance(acts, WITHDRAWN)


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param("standing <> 'held'", id="withdrawn ones too"),
        pytest.param("standing <> 'withdrawn'", id="held ones too"),
        pytest.param(f"standing = 'live' AND sop_instance_uid <> '{IN_A_FILE}'", id="not all that are live"),
    ],
)
def test_breach_of_law_1_another_definition_of_live_is_noticed(acts: Acts, condition: str) -> None:
    a_day(acts)

    def define(transaction: Connection) -> None:
        transaction.execute(text("DROP VIEW live_instance"))
        transaction.execute(
            text(f"CREATE VIEW live_instance AS SELECT * FROM instance WHERE {condition}")  # noqa: S608
        )

    acts.product.catalog.write(define)
    with pytest.raises(AssertionError):
        hold_law_1(acts)


def _nothing(*_arguments: object, **_options: object) -> None:
    """What a writer does that forgets the counters."""


@pytest.mark.parametrize(
    ("forgotten", "act"),
    [
        pytest.param("add", lambda acts: acts.receive(Image(FIRST, 1)), id="an image comes"),
        pytest.param("add", lambda acts: acts.withdraw(IN_A_FILE), id="an image is withdrawn"),
        pytest.param("add", lambda acts: acts.undo(min(acts.withdrawal_keys)), id="a withdrawal is undone"),
        pytest.param(
            "add_series_of_one", lambda acts: acts.make(Asked((image_uid(SECOND, 1),))), id="a note is made"
        ),
        pytest.param(
            "_add_to_studies", lambda acts: acts.withdraw(IN_A_FILE), id="studies lag behind their series"
        ),
    ],
)
def test_breach_of_law_1_a_forgotten_counter_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch, forgotten: str, act: Callable[[Acts], object]
) -> None:
    acts.receive(Image(FIRST, 2), Image(FIRST, 3), Image(SECOND, 1))
    acts.withdraw(image_uid(FIRST, 2))
    hold_law_1(acts)
    monkeypatch.setattr(counts, forgotten, _nothing)
    act(acts)
    with pytest.raises(AssertionError, match="the live view has"):
        hold_law_1(acts)


def test_breach_of_law_1_a_counter_changed_in_a_transaction_of_its_own_is_noticed(
    acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is well again when the counters have followed; until then they told something else."""
    acts.receive(Image(FIRST, 2), Image(FIRST, 3))
    add = counts.add
    owed: list[Mapping[tuple[int, int], int]] = []
    with pytest.raises(AssertionError, match="a counter was not changed"), hold_counters(acts):
        with monkeypatch.context() as patched:
            patched.setattr(counts, "add", lambda _, deltas: owed.append(dict(deltas)))
            acts.withdraw(IN_A_FILE)
        for deltas in owed:
            acts.product.catalog.write(partial(add, deltas=deltas))
    hold_law_1(acts)
