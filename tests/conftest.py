"""What every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kinote.storage.packs.store import PackStore

pytest_plugins = ["tests.databases", "tests.demo_data"]

_TESTS = Path(__file__).parent

#: Files whose tests take half a minute and more, the longest first. They come first in a run of all tests: else one of
#: several workers would be at the last of them long after the others have nothing left to do.
_LONGEST = (
    "benchmarks/test_smoke.py",
    "laws/test_law_6_sync_commit_reply.py",
    "laws/test_kills.py",
    "laws/test_any_acts.py",
    "interop/test_journey.py",
    "interop/test_every_copy.py",
    "notes/test_law_4_withdrawal.py",
    "browser/test_viewer.py",
    "catalog/test_migrations.py",
    "web/test_rights.py",
    "scp/test_receiving.py",
    "interop/test_kinote_to_kinote.py",
    "web/test_examples_of_page.py",
    "command/test_doctor.py",
    "command/test_looking_after.py",
    "browser/test_sign_in.py",
    "scp/test_same_as_qido.py",
    "decoding/test_mutated_frames.py",
    "command/test_proven.py",
    "command/test_withdrawal_commands.py",
    "command/test_jobs.py",
    "demo/test_loading.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {_TESTS / name: place for place, name in enumerate(_LONGEST)}
    missing = [str(path) for path in places if not path.exists()]
    if missing:
        raise pytest.UsageError(f"tests/conftest.py puts first what is not there: {', '.join(missing)}")
    items.sort(key=lambda item: places.get(item.path, len(places)))


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
