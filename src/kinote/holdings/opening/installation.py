"""Checks that an index belongs to this data directory and store (law 8).

All three carry the id of their installation, and each store one of its own. Index and data directory also carry the
name of the last time that they were opened or closed together, which is new each time. An index from an older backup
therefore has an older name. If they do not belong together, the server refuses before it makes or changes anything: an
index that does not know the files of a store cannot tell which of them have no row.

The new name is written to the data directory first. The directory keeps the old name until the index has the new one,
so the two still agree after a kill in between.
"""

from __future__ import annotations

import secrets
import socket
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from kinote.catalog.index_mark import IndexMark, look_at_index, mark_index
from kinote.catalog.transactions.catalog import Catalog
from kinote.storage.directory.marks import (
    NEVER,
    DirectoryMark,
    StoreMark,
    UnreadableMarkError,
    directory_mark,
    holds_bytes,
    mark_directory,
    mark_store,
    store_mark,
)
from kinote.storage.local import KINDS

Mark = TypeVar("Mark")

_WHAT_NEXT = (
    "Nothing was changed. "
    "If there is nothing else to bring back, run `kinote doctor --adopt` to go on with these."
)


class NotTogetherError(RuntimeError):
    """Index, data directory and store do not belong together. The message says which to bring back."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks found at the start: None for a part that has none or does not exist."""

    directory: DirectoryMark | None
    #: By the kind of store.
    stores: Mapping[str, StoreMark | None]
    #: None if there is no index yet.
    index: IndexMark | None
    #: Whether any store has bytes of an object.
    stores_have_bytes: bool


@dataclass(frozen=True, slots=True)
class Places:
    """The locations of the parts, for messages and for writing. The index is a database address without password.

    `stores` are the roots of the stores, by their kinds.
    """

    directory: Path
    stores: Mapping[str, Path]
    index: str


def found_marks(places: Places, url: str, *, damaged_as_none: bool = False) -> Marks:
    """Read the marks of a data directory, its stores and its index. Nothing is created or changed.

    Raises `UnreadableMarkError`, unless a damaged mark counts as none.
    """

    def read(mark: Callable[[Path], Mark | None], folder: Path) -> Mark | None:
        try:
            return mark(folder)
        except UnreadableMarkError:
            if not damaged_as_none:
                raise
            return None

    return Marks(
        read(directory_mark, places.directory),
        {kind: read(store_mark, root) for kind, root in places.stores.items()},
        look_at_index(url),
        stores_have_bytes=any(map(holds_bytes, places.stores.values())),
    )


def prove_together(marks: Marks, places: Places) -> None:
    """Raise `NotTogetherError` unless the index belongs to this data directory and store, or all are new."""
    reason = _reason(marks, places)
    if reason is not None:
        raise NotTogetherError(f"{reason} {_WHAT_NEXT}")


def _reason(marks: Marks, places: Places) -> str | None:
    directory, index = marks.directory, marks.index
    index_id = index.installation if index else None
    if directory is None:
        return _of_unmarked_directory(marks, places)
    if index_id is None:
        if (
            NEVER in directory.openings
            and not marks.stores_have_bytes
            and not (index and index.has_instances)
        ):
            return None  # The first start ended before it reached the index.
        return _index_missing(directory, index, places)
    assert index is not None
    if index_id != directory.installation:
        return (
            f"The index {places.index} and the data directory {places.directory} belong to different installations. "
            f"Bring back the index of this data directory (at last it was {directory.index}), "
            "or choose its data directory with --data."
        )
    for kind, uid in index.stores.items():
        store = marks.stores.get(kind)
        if store is None or (store.store, store.installation) != (uid, index_id):
            return (
                f"The folder {places.stores[kind]} is not the store whose objects the index knows"
                f"{'' if store else ': its store.json is missing'}. See that its volume is mounted, or bring it back."
            )
    if index.opening not in directory.openings:
        return _one_is_older(directory, index, places)
    return None


def _of_unmarked_directory(marks: Marks, places: Places) -> str | None:
    index = marks.index
    if index is not None and index.installation is not None:
        return (
            f"The index {places.index} belongs to another data directory than {places.directory}, which is new. Bring "
            "that one back, or choose it with --data."
        )
    if marks.stores_have_bytes and not (index and index.has_instances):
        return (
            f"There are objects in {places.directory}, and the index {places.index} is "
            f"{'empty' if index else 'not there'}. Bring back the index, or see that the setting database names it."
        )
    # All are new, or older than marks: recovery then decides whether the index knows the files.
    return None


def _index_missing(directory: DirectoryMark, index: IndexMark | None, places: Places) -> str:
    if directory.index != places.index:
        return (
            f"The index of the data directory {places.directory} is {directory.index}, not {places.index}. See that "
            "the setting database says so."
        )
    state = "has no objects and no mark" if index and not index.has_instances else "has no mark"
    return (
        f"The index {places.index} {state if index else 'is not there'}, and the data directory {places.directory} has "
        "been used with one. Bring back the newest copy of the index."
    )


def _one_is_older(directory: DirectoryMark, index: IndexMark, places: Places) -> str:
    last = directory.openings[0] if directory.openings else ""
    seen = index.opening or ""
    what = f"The index {places.index} was last opened or closed on {_when(seen)}, the data directory on {_when(last)}"
    if seen < last:
        return f"{what}: this index is an older copy. Bring back the newest one."
    return f"{what}: this data directory is an older copy. Bring back the newest one, files included."


def _when(opening: str) -> str:
    return opening.partition(" ")[0] or "an unknown day"


def give_marks(
    marks: Marks, places: Places, catalog: Catalog, now: datetime, *, keeps_earlier: bool = False
) -> None:
    """Write the marks with a new opening, which joins index, directory and stores.

    The installation keeps its id; the one of the index takes precedence over that of the directory. With
    `keeps_earlier`, the previous index also stays valid until `forget_earlier_openings`, because this one is not in its
    place yet.
    """
    index = marks.index
    installation = (index and index.installation) or (marks.directory and marks.directory.installation)
    installation = installation or uuid.uuid4().hex
    stores = {}
    for kind, found in marks.stores.items():
        stores[kind] = (index and index.stores.get(kind)) or (found and found.store) or uuid.uuid4().hex
    openings = marks.directory.openings if marks.directory else (NEVER,)
    directory = DirectoryMark(installation, places.index, openings)
    mark_directory(places.directory, directory)
    for kind, uid in stores.items():
        mark_store(places.stores[kind], StoreMark(uid, installation))
    _tell_both(directory, stores, places, catalog, now, keeps_earlier=keeps_earlier)


def forget_earlier_openings(directory: Path) -> None:
    """Make a data directory accept only the index of its newest opening. Raises OSError."""
    mark = directory_mark(directory)
    if mark is not None:
        mark_directory(directory, replace(mark, openings=mark.openings[:1]))


def open_anew(marks: Marks, places: Places, catalog: Catalog, now: datetime) -> None:
    """Give index and data directory, which belong together, the name of a new opening or of its end."""
    stores = {kind: found.store for kind, found in marks.stores.items() if found is not None}
    if marks.directory is None or len(stores) < len(marks.stores):
        give_marks(marks, places, catalog, now)
    else:
        _tell_both(replace(marks.directory, index=places.index), stores, places, catalog, now)


def _tell_both(
    directory: DirectoryMark,
    stores: Mapping[str, str],
    places: Places,
    catalog: Catalog,
    now: datetime,
    *,
    keeps_earlier: bool = False,
) -> None:
    opening = f"{now.isoformat(timespec='microseconds')} {secrets.token_hex(4)}"
    mark_directory(places.directory, replace(directory, openings=(opening, *directory.openings)))
    mark = IndexMark(directory.installation, stores, opening, has_instances=True)
    host = socket.gethostname()
    catalog.write(lambda transaction: mark_index(transaction, mark, store_ids=KINDS, host=host, now=now))
    if not keeps_earlier:
        mark_directory(places.directory, replace(directory, openings=(opening,)))
