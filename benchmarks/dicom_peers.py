"""Receivers of DICOM that are measured beside each other: each with its defaults, and at its best.

At its best (`-tuned`) means: Nagle's algorithm off (`TCP_NODELAY=1`, which DCMTK and what is built on it read
from the environment), PDUs of 128 KB, and for Orthanc no syncs and no digests. Orthanc has a third setting between
the two (`-synced`): Nagle's algorithm off, everything else as it comes.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

from benchmarks.machine import program_version
from kinote.settings.model import Settings
from tests.interop.orthanc import orthanc
from tests.running_server import START_LIMIT, RunningServer

TITLE = "RECEIVER"

#: Seconds that a receiver may take to stop.
_STOPPING = 30

_LARGEST_PDU = "131072"
#: The environment of programs with their defaults, and without Nagle's algorithm.
PLAIN = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
NO_DELAY = {**PLAIN, "TCP_NODELAY": "1"}

#: Associations may wait for a thread of Orthanc; by default there are four.
_ORTHANC: dict[str, object] = {"DicomServerEnabled": True, "DicomAet": TITLE, "DicomThreadsCount": 50}
ORTHANC_TUNED: dict[str, object] = {
    "SyncStorageArea": False,
    "StoreMD5ForAttachments": False,
    "MetricsEnabled": False,
    "SaveJobs": False,
    "MaximumPduLength": int(_LARGEST_PDU),
    "ConcurrentJobs": 4,
}

_ARCHIVE = """NetworkTCPPort = {port}
MaxPDUSize = {pdu}
MaxAssociations = 50
HostTable BEGIN
sender = (SENDER, 127.0.0.1, 104)
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{title} {folder} RW (500, 1024mb) ANY
AETable END
"""

#: The library's own receiver takes ten associations, which its options cannot change.
_PYNETDICOM_IDLE = """
import sys
from pynetdicom import AE, AllStoragePresentationContexts, evt
ae = AE(sys.argv[2])
ae.maximum_associations = 100
ae.supported_contexts = AllStoragePresentationContexts
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, lambda event: 0)])
"""


def dcmtk(name: str) -> str:
    """The path of a program of DCMTK; pynetdicom puts programs of the same names beside Python."""
    beside_python = Path(sys.executable).parent
    folders = (each for each in os.get_exec_path() if Path(each) != beside_python)
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        sys.exit(f"{name} is not installed; `scripts/test interop` installs what stands beside Kinote.")
    return found


@dataclass(frozen=True, slots=True)
class Running:
    """A receiver that runs: where it listens, and its first process; it may have others below that."""

    port: int
    pid: int


#: Starts a receiver on an empty folder and a port, and stops it in the end.
Start = Callable[[Path, int], AbstractContextManager[Running]]


@contextmanager
def _kinote(folder: Path, port: int) -> Iterator[Running]:
    server = RunningServer(folder / "data", "--dicom-port", str(port), "--ae-title", TITLE, receivers=None)
    try:
        _wait_for_receivers(server)
        yield Running(port, server.process.pid)
    finally:
        server.stop()


@contextmanager
def _kinote_audited(folder: Path, port: int) -> Iterator[Running]:
    with patch.dict(os.environ, {"KINOTE_AUDIT": "true"}), _kinote(folder, port) as running:
        yield running


def _wait_for_receivers(server: RunningServer) -> None:
    """Its receiver processes take a second of a processor to begin, which counts for no object."""
    number = Settings.model_validate({}).receivers()
    deadline = time.monotonic() + START_LIMIT
    while True:
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
            found = re.search(r"^kinote_receiver_processes (\S+)", answer.read().decode(), re.MULTILINE)
        if found and float(found[1]) >= number:
            return
        if time.monotonic() > deadline:
            raise RuntimeError("The receiver processes did not begin")
        time.sleep(0.05)


def _orthanc(environment: Mapping[str, str], settings: Mapping[str, object]) -> Start:
    @contextmanager
    def start(folder: Path, port: int) -> Iterator[Running]:
        # Its HTTP port has to be another one.
        own = {**_ORTHANC, **settings, "DicomPort": port}
        with orthanc(folder / "orthanc", own, port=port + 1000, environment=environment) as running:
            yield Running(port, running.pid)

    return start


def _program(arguments: Callable[[Path, int], Sequence[str]], environment: Mapping[str, str]) -> Start:
    """A program that runs until it is ended."""

    @contextmanager
    def start(folder: Path, port: int) -> Iterator[Running]:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                arguments(folder, port), stdout=log, stderr=log, env=environment, cwd=folder
            )
            try:
                _wait(process, port, folder / "log")
                yield Running(port, process.pid)
            finally:
                process.terminate()
                process.wait(_STOPPING)

    return start


def _storescp(environment: Mapping[str, str], *options: str) -> Start:
    def arguments(folder: Path, port: int) -> Sequence[str]:
        return [dcmtk("storescp"), "--fork", "-aet", TITLE, *options, "-od", str(folder), str(port)]

    return _program(arguments, environment)


def _dcmqrscp(environment: Mapping[str, str], pdu: str) -> Start:
    def arguments(folder: Path, port: int) -> Sequence[str]:
        (folder / "archive").mkdir()
        settings = folder / "dcmqrscp.cfg"
        settings.write_text(
            _ARCHIVE.format(port=port, pdu=pdu, title=TITLE, folder=folder / "archive"), encoding="ascii"
        )
        return [dcmtk("dcmqrscp"), "--fork", "-c", str(settings)]

    return _program(arguments, environment)


def _pynetdicom(folder: Path, port: int) -> Sequence[str]:
    own = ("-aet", TITLE, "-od", str(folder), "-ba", "127.0.0.1")
    return [sys.executable, "-m", "pynetdicom", "storescp", *own, str(port)]


def _pynetdicom_idle(folder: Path, port: int) -> Sequence[str]:
    return [sys.executable, "-c", _PYNETDICOM_IDLE, str(port), TITLE]


def _sink(folder: Path, port: int) -> Sequence[str]:
    return [sys.executable, "-m", "benchmarks.dicom_sink", str(port)]


_OWN = {**PLAIN, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

RECEIVERS: dict[str, Start] = {
    "kinote": _kinote,
    "kinote-audited": _kinote_audited,
    "orthanc": _orthanc(PLAIN, {}),
    "orthanc-synced": _orthanc(NO_DELAY, {}),
    "orthanc-tuned": _orthanc(NO_DELAY, ORTHANC_TUNED),
    "storescp": _storescp(PLAIN),
    "storescp-tuned": _storescp(NO_DELAY, "-pdu", _LARGEST_PDU),
    "storescp-bits": _storescp(PLAIN, "+B"),
    "storescp-bits-tuned": _storescp(NO_DELAY, "+B", "-pdu", _LARGEST_PDU),
    "dcmqrscp": _dcmqrscp(PLAIN, "16384"),
    "dcmqrscp-tuned": _dcmqrscp(NO_DELAY, _LARGEST_PDU),
    "pynetdicom": _program(_pynetdicom, PLAIN),
    "pynetdicom-idle": _program(_pynetdicom_idle, PLAIN),
    "sink": _program(_sink, _OWN),
}

#: What the names of the tables mean, for those who read only the table.
SETTINGS = {
    "kinote-audited": "Kinote with an audit trail",
    "-tuned": f"TCP_NODELAY=1, PDUs of {_LARGEST_PDU} bytes; Orthanc: {ORTHANC_TUNED}",
    "orthanc": f"its DICOMweb plugin, SQLite, {_ORTHANC['DicomThreadsCount']} threads for DICOM; else its defaults",
    "orthanc-synced": "TCP_NODELAY=1; syncs files and takes their MD5, as by default; its index it does not sync",
    "storescp": "--fork; -bits with +B; neither indexes nor syncs",
    "dcmqrscp": "--fork; indexes, does not sync",
    "pynetdicom": "its program storescp; neither indexes nor syncs",
    "pynetdicom-idle": "a receiver of ten lines: its program takes ten associations",
    "sink": "Kinote's upper layer alone, which stores nothing",
}


@contextmanager
def running(names: Sequence[str], folder: Path, first_port: int = 11200) -> Iterator[dict[str, Running]]:
    """Receivers, all of them empty, by their names."""
    folder.mkdir()
    with ExitStack() as stack:
        found = {}
        for port, name in enumerate(names, start=first_port):
            own = folder / name
            own.mkdir()
            found[name] = stack.enter_context(RECEIVERS[name](own, port))
        yield found


def versions(names: Sequence[str]) -> tuple[str, ...]:
    """The versions of other people's programs among the receivers."""
    found = []
    if any(name.startswith("orthanc") for name in names):
        found.append(program_version("Orthanc"))
    if any(name.startswith(("storescp", "dcmqrscp")) for name in names):
        found.append("DCMTK " + program_version(dcmtk("storescp")).split()[2])
    if any(name.startswith("pynetdicom") for name in names):
        found.append(f"pynetdicom {version('pynetdicom')}, pydicom {version('pydicom')}")
    return tuple(found)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until somebody listens on the port."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"The receiver did not start:\n{log.read_text()[-4000:]}")
