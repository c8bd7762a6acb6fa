"""Commands in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


def kinote(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a script does: what it prints goes into pipes, and nobody says how wide they are."""
    return subprocess.run(
        [sys.executable, "-m", "kinote", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"}
        | {"PYTHONPATH": str(SOURCE)},
        check=False,
    )
