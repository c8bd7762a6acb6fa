"""Orthanc with its DICOMweb plugin, as Debian packages it.

It listens on all addresses: only for a network namespace of its own.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.interop.peers import peer
from tests.running_server import START_LIMIT

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass(frozen=True, slots=True)
class Orthanc:
    """A running Orthanc: its address, where its DICOMweb service is, and its process."""

    url: str
    pid: int

    @property
    def studies(self) -> str:
        return f"{self.url}/dicom-web/studies"


@contextmanager
def orthanc(
    folder: Path,
    settings: Mapping[str, object] | None = None,
    *,
    port: int = 8042,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Orthanc]:
    """Run Orthanc on a folder of its own; settings beyond these keep their defaults."""
    folder.mkdir()
    file = folder / "orthanc.json"
    file.write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "storage"),
                "Plugins": [str(PLUGIN)],
                "DicomWeb": {"Enable": True},
                "AuthenticationEnabled": False,
                "DicomServerEnabled": False,
                "HttpPort": port,
                **(settings or {}),
            }
        )
    )
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([peer("Orthanc"), str(file)], stdout=log, stderr=log, env=environment)
        running = Orthanc(f"http://127.0.0.1:{port}", process.pid)
        try:
            _wait(running)
            yield running
        finally:
            process.terminate()
            process.wait(60)


def _wait(running: Orthanc) -> None:
    """Until it answers; what follows fails if it never does."""
    for _ in range(START_LIMIT * 10):
        try:
            if httpx.get(running.studies, trust_env=False, timeout=60).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
