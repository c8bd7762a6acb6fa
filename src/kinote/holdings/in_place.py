"""Whether bytes are where the index says, by a look at their place: quick enough for every object that comes again."""

from __future__ import annotations

import io

from kinote.storage.stores import Stores


def is_in_place(stores: Stores, store: int, file_key: str, dataset_offset: int, size: int) -> bool:
    """Whether a stored file is there and has its size. Says nothing of what is in it."""
    try:
        with stores.open(store, file_key, buffered=False) as file:
            return file.seek(0, io.SEEK_END) == dataset_offset + size
    except OSError:
        return False
