"""What every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kinote.storage.packs.store import PackStore

pytest_plugins = ["tests.databases"]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real DICOM files; without it tests are skipped, under CI they fail."""
    folder = os.environ.get("KINOTE_TEST_DATA")
    if folder:
        return Path(folder)
    if os.environ.get("CI") == "true":
        pytest.fail("KINOTE_TEST_DATA does not name the folder of real DICOM files")
    pytest.skip("KINOTE_TEST_DATA does not name the folder of real DICOM files")


@pytest.fixture(autouse=True)
def packs_are_closed() -> Iterator[None]:
    """Close the packs that a test has left open: all tests of a worker together may open more than it has descriptors.

    Those of fixtures for several tests are opened before, and stay.
    """
    opened: list[PackStore] = []
    opening = PackStore.__init__

    def noted(store: PackStore, *arguments: Any, **options: Any) -> None:
        opening(store, *arguments, **options)
        opened.append(store)

    # By itself: what tests patch has to be undone before their folders are removed.
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(PackStore, "__init__", noted)
        yield
    for store in opened:
        # A test may have taken its folder away, or broken it.
        with suppress(Exception):
            store.close()
