"""What the tests of migration share: the studies of `tests.notes.sample_studies`, on each kind of database."""

from __future__ import annotations

from tests.migration.hostile import hostile
from tests.notes.conftest import filled, filled_sqlite

__all__ = ["filled", "filled_sqlite", "hostile"]
