"""A server that is told to stop does so, whatever it is just doing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import SOURCE

#: Seconds that a server may take to start and end on a busy machine.
LIMIT = 60

#: The server is told to stop right before it serves, and the exception that says so is lost.
_LOST = """
import gc, os, signal
def collect(*_):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except SystemExit:
        print("lost", flush=True)
gc.collect = collect
from kinote.command.main import app
app()
"""


@pytest.mark.timeout(2 * LIMIT)
def test_a_signal_that_comes_while_it_starts_is_not_lost(tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            _LOST,
            "serve",
            "--data",
            tmp_path / "data",
            "--http-port",
            "0",
            "--dicom-port",
            "0",
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        cwd=tmp_path,
        check=False,
    )
    assert (ended.returncode, "lost" in ended.stdout) == (0, True), ended.stdout + ended.stderr
