"""A data directory in which the demo is loaded, for tests to copy: drawing its pictures takes seconds of work."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from kinote.app import open_application
from kinote.demo.loading import load_demo
from kinote.settings.model import Settings


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once for all workers of a run. Nobody may change it: see `copied`."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    data, whole = folder / "demo-data", folder / "demo-data-is-whole"
    with (folder / "demo-data.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(data, ignore_errors=True)
            settings = Settings.model_validate({"data": data, "intake_processes": 0})
            with open_application(settings) as application:
                load_demo(application.catalog, application.receiver, application.clock)
            whole.touch()
    return data


def copied(demo_data: Path, into: Path) -> Path:
    """A data directory of one's own, with the demo."""
    return Path(shutil.copytree(demo_data, into, dirs_exist_ok=True))
