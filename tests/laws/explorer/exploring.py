"""The search itself: breadth first, so that the first state that breaks a law is told with the fewest steps."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

State = TypeVar("State", bound=Hashable)


class BrokenError(AssertionError):
    """A step breaks a law; the message says how."""


class CounterexampleError(AssertionError):
    """A law is broken. The message has the steps that lead there."""


class World(Protocol[State]):
    """What can happen."""

    def starts(self) -> Iterator[State]:
        """The states in which it begins."""
        ...

    def steps(self, state: State) -> Iterator[tuple[str, State | BrokenError]]:
        """What can happen in a state: the step in words, and the state after it or what it breaks."""
        ...

    def breach(self, state: State) -> str:
        """What is wrong in a state; empty if nothing is."""
        ...

    def ends_by_itself(self, state: State) -> bool:
        """Whether everything has ended in a state. Each must lead to such a one by steps that nobody has to take."""
        ...


@dataclass(frozen=True, slots=True)
class Explored:
    """How many states there are, and how many steps between them."""

    states: int
    steps: int


#: A step whose words begin so is one that happens by itself, in time.
BY_ITSELF = "by itself: "


def explore(world: World[State]) -> Explored:
    """Go through all states. Raises `CounterexampleError`."""
    came_from: dict[State, tuple[State, str] | None] = {}
    back: dict[State, list[State]] = {}
    number = 0
    waiting: list[State] = []
    for start in world.starts():
        came_from[start] = None
        waiting.append(start)
    for state in waiting:
        if wrong := world.breach(state):
            raise CounterexampleError(_told(came_from, state, [], wrong))
        for step, after in world.steps(state):
            number += 1
            if isinstance(after, BrokenError):
                raise CounterexampleError(_told(came_from, state, [step], str(after)))
            if step.startswith(BY_ITSELF):
                back.setdefault(after, []).append(state)
            if after not in came_from:
                came_from[after] = (state, step)
                waiting.append(after)
    _see_that_all_end(world, came_from, back)
    return Explored(len(came_from), number)


def _see_that_all_end(
    world: World[State], came_from: dict[State, tuple[State, str] | None], back: dict[State, list[State]]
) -> None:
    ends = [state for state in came_from if world.ends_by_itself(state)]
    leads_there = set(ends)
    for state in ends:
        for before in back.get(state, ()):
            if before not in leads_there:
                leads_there.add(before)
                ends.append(before)
    for state in came_from:
        if state not in leads_there:
            raise CounterexampleError(
                _told(came_from, state, [], "From here it never ends by itself (law 3).")
            )


def _told(came_from: dict[State, tuple[State, str] | None], state: State, last: list[str], wrong: str) -> str:
    steps = list(reversed(last))
    at: State | None = state
    while at is not None and (before := came_from[at]) is not None:
        at, step = before
        steps.append(step)
    lines = [f"{number}. {step}" for number, step in enumerate(reversed(steps), start=1)]
    return "\n".join([*lines, f"Then: {wrong}"])
