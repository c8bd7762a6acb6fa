"""Laws 1 to 4, 8 and 9 in every state that can be reached, by the tables and guards of the product.

Without any one of them there is a way to break a law, and it is told step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from tests.laws.explorer.exploring import CounterexampleError, World, explore
from tests.laws.explorer.jobs_world import JobsWorld, JobTables
from tests.laws.explorer.objects_world import ObjectsWorld, ObjectTables

#: Each world, and how many states it has.
WORLDS: Mapping[str, tuple[Callable[[], World[Any]], int]] = {
    "a job and two workers": (JobsWorld, 17182),
    "one withdrawal and a peer": (lambda: ObjectsWorld(has_peer=True), 2974),
    "two withdrawals": (lambda: ObjectsWorld(has_peer=False), 29880),
}


@pytest.mark.parametrize("name", WORLDS)
def test_laws_1_to_4_8_and_9_hold_in_every_state(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    world, states = WORLDS[name]
    explored = explore(world())
    record_property("states", explored.states)
    record_property("steps", explored.steps)
    # Another number is no fault: then the tables allow something else, which has been gone through.
    assert explored.states == states


def without_one(tables: Any) -> Iterator[tuple[str, Any]]:
    """The tables without each guard, or each row, in turn."""
    for each in fields(tables):
        rows = getattr(tables, each.name)
        for row in rows:
            if isinstance(rows, Mapping):
                left: Any = {key: value for key, value in rows.items() if key != row}
                key = row if isinstance(row, tuple) else (row,)
                said = ", ".join(map(str, key))
            else:
                left, said = [other for other in rows if other is not row], row.name
            yield f"{each.name}: {said}", replace(tables, **{each.name: left})


OF_JOBS = dict(without_one(JobTables()))
OF_OBJECTS = dict(without_one(ObjectTables()))


@pytest.mark.parametrize("guard", OF_JOBS)
def test_breach_of_law_3_without_a_guard_of_jobs_is_noticed(guard: str) -> None:
    with pytest.raises(CounterexampleError, match=r"(?s)^1\. .*Then: .*law"):
        explore(JobsWorld(OF_JOBS[guard]))


@pytest.mark.parametrize("guard", OF_OBJECTS)
def test_breach_of_laws_without_a_guard_of_objects_is_noticed(guard: str) -> None:
    with pytest.raises(CounterexampleError, match=r"(?s)^1\. .*Then: .*(law|IOCM)"):
        for has_peer in (True, False):
            explore(ObjectsWorld(OF_OBJECTS[guard], has_peer=has_peer))
