"""The one definition of *live* (law 1).

Whatever shows, counts, sends or answers reads `live_instance`. The instance table itself is for the
rooms that bring objects in and manage their life and death; `tests/project` holds that.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, MetaData, Table, select

from kinote.catalog.schema.tables import instance

#: Not in the tables' metadata: a view is made by its own statement.
_views = MetaData()

#: By the database: each needs the very words of its index of current rows.
LIVE_INSTANCE_SQL = {
    "sqlite": "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND is_current = 1",
    "postgresql": "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND is_current",
}

live_instance = Table("live_instance", _views, *(Column(column.name, column.type) for column in instance.c))


def see_that_it_answers(connection: Connection) -> None:
    """Read a row, if there is one; whatever is wrong with the index is raised."""
    connection.execute(select(live_instance.c.id).limit(1)).all()
