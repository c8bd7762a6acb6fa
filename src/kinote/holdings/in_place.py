"""A quick check that bytes are where the index says, cheap enough for every object that arrives again."""

from __future__ import annotations

import io

from kinote.storage.stores import Stores


def is_in_place(stores: Stores, store: int, file_key: str, dataset_offset: int, size: int) -> bool:
    """Return whether a stored file exists and has its size. The content is not checked."""
    try:
        with stores.open(store, file_key, buffered=False) as file:
            return file.seek(0, io.SEEK_END) == dataset_offset + size
    except OSError:
        return False
