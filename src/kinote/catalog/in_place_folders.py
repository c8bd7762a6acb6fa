"""Folders of other systems whose files are read where they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import in_place_folder
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.statements import insert_new


def add_folder(transaction: Connection, path: str, *, added_by: dict[str, str], now: datetime) -> int:
    """Note a folder, given by its absolute path, once; returns its key."""
    row = {"path": path, "added_at": timestamp(now), **added_by}
    insert_new(transaction, in_place_folder, [row], unique=["path"])
    query = select(in_place_folder.c.id).where(in_place_folder.c.path == path)
    return int(transaction.execute(query).scalar_one())


def folder_paths(connection: Connection) -> dict[int, str]:
    """Return the paths of all folders by key."""
    rows = connection.execute(select(in_place_folder.c.id, in_place_folder.c.path))
    return {row.id: row.path for row in rows}


def folders(connection: Connection) -> list[dict[str, Any]]:
    """Return all folders, with when and by whom they were added."""
    rows = connection.execute(
        select(
            in_place_folder.c.id,
            in_place_folder.c.path,
            in_place_folder.c.added_at,
            in_place_folder.c.added_by_name.label("added_by"),
        ).order_by(in_place_folder.c.id)
    )
    return [dict(row._mapping) for row in rows]
