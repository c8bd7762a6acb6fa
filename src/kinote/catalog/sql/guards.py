"""Guards: conditions on rows, each with a name, that mean the same to the database and in Python.

The product asks the database (`as_sql`). The tests that go through all reachable states ask rows of their own (`hold`),
and take away one guard after the other to see what it is for. So what is explored is what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition. `name` completes the sentence "Only if …".

    `holds` takes what has the columns as attributes: `table.c` for SQL, or a row. It uses `==` and the functions
    below.
    """

    name: str
    holds: Callable[..., Any]


def is_null(value: Any) -> Any:
    """Return whether a column, or the value of one, is NULL."""
    return value.is_(None) if isinstance(value, ColumnElement) else value is None


def is_not_null(value: Any) -> Any:
    """Return whether a column, or the value of one, is not NULL."""
    return value.is_not(None) if isinstance(value, ColumnElement) else value is not None


def is_one_of(value: Any, those: Sequence[str]) -> Any:
    """Return whether a column, or the value of one, is one of these."""
    return value.in_(those) if isinstance(value, ColumnElement) else value in those


def is_not_before(value: Any, other: str) -> Any:
    """Return whether a moment, which may be NULL, is not before another one."""
    return value >= other if isinstance(value, ColumnElement) else value is not None and value >= other


def as_sql(guards: Sequence[Guard], *columns: Any) -> list[ColumnElement[bool]]:
    """Return the guards as conditions on these tables, given by their columns."""
    return [guard.holds(*columns) for guard in guards]


def hold(guards: Sequence[Guard], *rows: Any) -> bool:
    """Return whether all guards hold for rows."""
    return all(guard.holds(*rows) for guard in guards)
