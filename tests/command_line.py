"""Commands in processes of their own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from tests.preloaded import KinoteProcess

SOURCE = Path(__file__).parents[1] / "src"


def kinote(
    *arguments: str | Path, cwd: Path, module: str = "kinote", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a script does: what it prints goes into files, and nobody says how wide they are.

    Another `module` than Kinote's own takes the arguments; what is in the `environment` comes to that of the tests.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = KinoteProcess(
            *arguments,
            output=output.fileno(),
            errors=errors.fileno(),
            cwd=cwd,
            environment={name: value for name, value in os.environ.items() if name != "COLUMNS"}
            | {"PYTHONPATH": str(SOURCE)}
            | environment,
            module=module,
        )
        status = process.wait()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(
            [*map(str, arguments)], status, output.read().decode(), errors.read().decode()
        )
