"""A Kinote server in a process of its own, for tests that end it as they like."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.preloaded import KinoteProcess

#: Seconds a server may take to start on a machine that is busy with other things.
START_LIMIT = 60


class RunningServer:
    """`kinote serve` on a data directory, on a free port.

    A `program` runs it in another way, or another `module` than Kinote's own, which takes the arguments after those
    that are named with it. With a `tracer`, which gets its process, it does nothing before it is traced.

    It has so many receiver processes: none where no test asks for one, since each takes a second to begin; with None
    as many as it has by itself.
    """

    def __init__(
        self,
        data: Path,
        *options: str,
        command: str = "serve",
        receivers: int | None = 0,
        program: Sequence[str] = (),
        module: Sequence[str] = ("kinote",),
        tracer: Callable[[int], None] | None = None,
    ) -> None:
        self.data = data
        self._log = (data.parent / f"{data.name}.log").open("ab")
        self._log_begins = self._log.tell()
        sources = Path(__file__).parents[1]
        environment = {**os.environ, "PYTHONPATH": f"{sources / 'src'}{os.pathsep}{sources}"}
        if receivers is not None:
            environment["KINOTE_INTAKE_PROCESSES"] = str(receivers)
        arguments = [command, "--data", str(data), "--http-port", "0", "--dicom-port", "0", *options]
        self.process: subprocess.Popen[bytes] | KinoteProcess
        if program:
            self.process = subprocess.Popen(
                [*program, *arguments],
                stdout=self._log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=data.parent,
            )
        else:
            log = self._log.fileno()
            self.process = KinoteProcess(
                *module[1:],
                *arguments,
                output=log,
                errors=log,
                cwd=data.parent,
                environment=environment,
                module=module[0],
                is_traced=tracer is not None,
            )
            if tracer is not None:
                tracer(self.process.pid)
        self.url = self._announced()

    def _announced(self) -> str:
        deadline = time.monotonic() + START_LIMIT
        announcement = self.data / "server.json"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                found = json.loads(announcement.read_text())
                if found["pid"] == self.process.pid:
                    return str(found["url"])
            except (OSError, ValueError):
                pass
            time.sleep(0.05)
        raise AssertionError(f"The server did not start:\n{self.log()[-4000:]}")

    def log(self) -> str:
        """What it has logged and printed since it was started."""
        return (self.data.parent / f"{self.data.name}.log").read_bytes()[self._log_begins :].decode()

    def dicom_ports(self, number: int = 1) -> list[int]:
        """The ports it listens on for DICOM, of which there are so many; first the one without TLS."""
        # They are told right after the address of the HTTP face.
        deadline = time.monotonic() + START_LIMIT
        while len(found := re.findall(r"^DICOM at .*:(\d+)$", self.log(), re.MULTILINE)) < number:
            assert time.monotonic() < deadline and self.process.poll() is None, self.log()[-4000:]
            time.sleep(0.05)
        return [int(port) for port in found]

    def receivers(self) -> list[int]:
        """Its receiver processes."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in found.stdout.split()]

    def resident_memory(self) -> int:
        """Bytes of memory the process has of its own; mapped files do not count."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]) * 1024

    def kill(self) -> None:
        """End it as a power cut would, as far as a process can."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._log.close()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self._log.close()
