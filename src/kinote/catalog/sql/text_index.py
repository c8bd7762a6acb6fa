"""Text indexes by n-grams: FTS5 on SQLite, GIN on PostgreSQL.

The n-grams of the searched text find candidates; each candidate's text is then compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    TableClause,
    Text,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    table,
)
from sqlalchemy.dialects import postgresql

from kinote.catalog.sql.dialects import is_sqlite
from kinote.catalog.sql.statements import ForEach


class TextIndex:
    """Rows of (key, folded text, n-grams) under a name."""

    def __init__(self, name: str) -> None:
        self.table: TableClause = table(
            name, column("rowid", BigInteger), column("folded", Text), column("grams")
        )
        self._add = ForEach(self.table.insert().inline())
        self._remove = ForEach(self.table.delete().where(self.table.c.rowid == bindparam("key")))
        put = postgresql.insert(self.table)
        self._put = put.on_conflict_do_update(
            index_elements=["rowid"], set_={"folded": put.excluded.folded, "grams": put.excluded.grams}
        )

    def create(self, connection: Connection) -> None:
        name = self.table.name
        if is_sqlite(connection):
            connection.exec_driver_sql(
                f"CREATE VIRTUAL TABLE {name} USING fts5(grams, folded UNINDEXED, detail=none, columnsize=0)"
            )
            return
        connection.exec_driver_sql(
            f"CREATE TABLE {name} "
            '(rowid bigint PRIMARY KEY, folded text COLLATE "C" NOT NULL, grams text[] NOT NULL)'
        )
        connection.exec_driver_sql(f"CREATE INDEX {name}_by_gram ON {name} USING gin (grams)")

    def fill(
        self, connection: Connection, rows: Sequence[tuple[int, str, list[str]]], *, new: bool = False
    ) -> None:
        """Replace the rows of these keys by (key, folded text, n-grams) rows.

        With `new`, there are no rows to replace.
        """
        if not rows:
            return
        if is_sqlite(connection):
            if not new:
                self._remove(connection, [{"key": key} for key, _, _ in rows])
            self._add(
                connection,
                [{"rowid": key, "folded": folded, "grams": " ".join(grams)} for key, folded, grams in rows],
            )
            return
        # In key order, so that two writers that describe the same studies cannot deadlock.
        connection.execute(
            self._put,
            [{"rowid": key, "folded": folded, "grams": grams} for key, folded, grams in sorted(rows)],
        )

    def finds(
        self, connection: Connection, key: ColumnElement[int], folded: str, grams: list[str]
    ) -> ColumnElement[bool]:
        """Return the condition that the text of `key` contains `folded`. The n-grams find the candidates."""
        return key.in_(select(self.table.c.rowid).where(self.contains(connection, folded, grams)))

    def contains(self, connection: Connection, folded: str, grams: list[str]) -> ColumnElement[bool]:
        """Return the same condition for a row of the index itself, for queries that join its `table`."""
        index = self.table
        if is_sqlite(connection):
            contains = func.instr(index.c.folded, folded) > 0
            if not grams:
                return contains
            return and_(
                literal_column(index.name).op("MATCH", is_comparison=True)(" AND ".join(grams)), contains
            )
        contains = func.strpos(index.c.folded, folded) > 0
        if not grams:
            return contains
        return and_(index.c.grams.op("@>", is_comparison=True)(cast(grams, postgresql.ARRAY(Text))), contains)


#: What people would type to find a study, by the study's key.
STUDY_TEXT = TextIndex("study_text")

#: The description of each note's current version, by the note's key.
NOTE_TEXT = TextIndex("note_text")

TEXT_INDEXES = (NOTE_TEXT, STUDY_TEXT)
