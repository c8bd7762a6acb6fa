"""The one definition of *live* (law 1).

Everything that shows, counts, sends or answers reads `live_instance`. The instance table itself is for the packages
that bring objects in and manage their life cycle; `tests/project` checks this.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, MetaData, Table, select

from kinote.catalog.schema.tables import instance

#: Not part of the tables' metadata, because a view is created by a statement of its own.
_views = MetaData()

#: By database: each needs the literal WHERE clause of its index of current rows.
LIVE_INSTANCE_SQL = {
    "sqlite": "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND is_current = 1",
    "postgresql": "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND is_current",
}

live_instance = Table("live_instance", _views, *(Column(column.name, column.type) for column in instance.c))


def see_that_it_answers(connection: Connection) -> None:
    """Read a row, if there is one. Raises whatever error the index has."""
    connection.execute(select(live_instance.c.id).limit(1)).all()
