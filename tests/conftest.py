"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
