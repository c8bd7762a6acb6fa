"""Seeing each statement that a catalog's writers do, whichever way it goes to the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from kinote.catalog.sql import statements
from kinote.catalog.transactions.catalog import Catalog


@contextmanager
def each_statement(catalog: Catalog, seen: Callable[[str], None]) -> Iterator[None]:
    """Call `seen` with each statement before it is done; what it raises comes instead of it."""

    def before(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen(statement)

    with pytest.MonkeyPatch.context() as patched:
        for name in ("execute_by_driver", "rows_by_driver"):
            patched.setattr(statements, name, _seen_first(getattr(statements, name), seen))
        event.listen(catalog._writers, "before_cursor_execute", before)
        try:
            yield
        finally:
            event.remove(catalog._writers, "before_cursor_execute", before)


def _seen_first(do: Callable[..., Any], seen: Callable[[str], None]) -> Callable[..., Any]:
    def done(connection: object, statement: str, parameters: Any) -> Any:
        seen(statement)
        return do(connection, statement, parameters)

    return done
