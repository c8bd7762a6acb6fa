"""Laws 1 to 4, 8 and 9 in every state that can be reached, by the tables and guards of the product.

Without any one of them there is a way to break a law, and it is told step by step.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from tests.databases import new_sqlite_index
from tests.laws.explorer.copies_world import CopiesWorld, CopyTables
from tests.laws.explorer.exploring import BrokenError, CounterexampleError, World, explore
from tests.laws.explorer.jobs_world import JobsWorld, JobTables
from tests.laws.explorer.objects_world import ObjectsWorld, ObjectTables
from tests.laws.explorer.replay import Replay
from tests.scale import SCALE

#: Each world, and how many states it has.
WORLDS: Mapping[str, tuple[Callable[[], World[Any]], int]] = {
    "a job and two workers": (JobsWorld, 17182),
    "one withdrawal and a peer": (lambda: ObjectsWorld(has_peer=True), 2974),
    "two withdrawals": (lambda: ObjectsWorld(has_peer=False), 29880),
    "a copy at an archive": (lambda: CopiesWorld(is_withdrawn=False), 120235 if SCALE.ways > 100 else 10991),
    "a copy at an archive, withdrawals and a hold": (lambda: CopiesWorld(is_withdrawn=True), 830),
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
OF_COPIES = dict(without_one(CopyTables()))


@pytest.mark.parametrize("guard", OF_JOBS)
def test_breach_of_law_3_without_a_guard_of_jobs_is_noticed(guard: str) -> None:
    with pytest.raises(CounterexampleError, match=r"(?s)^1\. .*Then: .*law"):
        explore(JobsWorld(OF_JOBS[guard]))


@pytest.mark.parametrize("guard", OF_OBJECTS)
def test_breach_of_laws_without_a_guard_of_objects_is_noticed(guard: str) -> None:
    with pytest.raises(CounterexampleError, match=r"(?s)^1\. .*Then: .*(law|IOCM)"):
        for has_peer in (True, False):
            explore(ObjectsWorld(OF_OBJECTS[guard], has_peer=has_peer))


@pytest.mark.parametrize("guard", OF_COPIES)
def test_breach_of_law_9_without_a_guard_of_copies_is_noticed(guard: str) -> None:
    with pytest.raises(CounterexampleError, match=r"(?s)^1\. .*Then: .*law"):
        for is_withdrawn in (True, False):
            explore(CopiesWorld(OF_COPIES[guard], is_withdrawn=is_withdrawn))


@pytest.mark.soak
@pytest.mark.parametrize("has_peer", [True, False], ids=["one withdrawal and a peer", "two withdrawals"])
def test_the_product_does_what_the_world_says(tmp_path: Path, has_peer: bool) -> None:
    """On ways taken at random: so what is explored is what is done."""
    chance = random.Random(20261130)
    world = ObjectsWorld(has_peer=has_peer)
    done: Counter[str] = Counter()
    for number in range(SCALE.ways):
        catalog = Catalog(CatalogOptions(new_sqlite_index(tmp_path / f"{number}.sqlite")))
        try:
            replay = Replay(catalog, world)
            life, way = next(world.starts()), list[str]()
            for _ in range(25):
                steps = list(world.steps(life))
                if not steps:
                    break
                # Seldom ones first, so that all are done.
                step, after = min(steps, key=lambda each: (done[_kind(each[0])], chance.random()))
                assert not isinstance(after, BrokenError)
                way.append(step)
                done[_kind(step)] += 1
                replay.do(step)
                life = after
                assert list(replay.differences(life)) == [], "\n".join(way)
        finally:
            catalog.close()
    assert len(done) > 10


def _kind(step: str) -> str:
    """A step without which withdrawal it is about."""
    return step.replace("the first withdrawal", "one").replace("the second withdrawal", "one")
