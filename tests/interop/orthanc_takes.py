"""Which files of the test data Orthanc takes; prints their names, as JSON.

Runs as a program in a network namespace of its own, since Orthanc listens on all addresses:
`unshare --net -- python -m tests.interop.orthanc_takes FOLDER`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from tests.interop.orthanc import orthanc
from tests.interop.peers import peer


def taken(files: list[Path], folder: Path) -> list[str]:
    subprocess.run([peer("ip"), "link", "set", "lo", "up"], check=True)
    with orthanc(folder / "orthanc") as running, httpx.Client(base_url=running.url, timeout=120) as client:
        return [
            str(file) for file in files if client.post("/instances", content=file.read_bytes()).is_success
        ]


if __name__ == "__main__":
    data = Path(os.environ["KINOTE_TEST_DATA"])
    print(json.dumps(taken([path for path in sorted(data.rglob("*")) if path.is_file()], Path(sys.argv[1]))))
