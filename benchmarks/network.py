"""A network of its own for measurements beside Orthanc, which listens on all addresses."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys


def enter_own_network(module: str, arguments: list[str]) -> None:
    """Start the program again in a network namespace that has nothing but a loopback, unless it is in one."""
    if {name for _, name in socket.if_nameindex()} == {"lo"}:
        subprocess.run([_program("ip"), "link", "set", "lo", "up"], check=True)
        return
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    _program("Orthanc")
    unshare = _program("unshare")
    os.execv(unshare, [unshare, "--net", *rights, "--", sys.executable, "-m", module, *arguments])


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))
    if found is None:
        sys.exit(f"{name} is not installed; `scripts/test interop` installs what stands beside Kinote.")
    return found
