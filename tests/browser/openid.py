"""oidc-provider, a certified OpenID provider, as a site's own would be.

It comes from npm, into a cache folder outside of the repository, and is used only if its digest is the one that is
written here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from hatch_build import Npm, find_npm

VERSION = "9.13.3"
PACKAGE = "oidc-provider"
INTEGRITY = "sha512-WmNDX9dLeItBmIqGqspmX5u6Cc7VVMrKUw2InX2T16+bwUJ8m/N5rJ3Ed+YKxE5aZqLp4YqwEi6kMJx4Ui5ffw=="


def installed() -> Path:
    """Return the module. Fetches it with npm at the first use."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kinote-tests"
    folder = cache / f"{PACKAGE}-{VERSION}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as making:
            try:
                _fetch(Path(making))
            except (OSError, subprocess.SubprocessError) as error:
                if os.environ.get("CI") == "true":
                    raise
                pytest.skip(f"{PACKAGE} could not be fetched: {error}")
            # Another run may have been quicker.
            if not folder.exists():
                shutil.copytree(Path(making) / "node_modules", folder / "node_modules", symlinks=True)
    return folder / "node_modules" / PACKAGE / "lib" / "index.js"


def _npm() -> Npm:
    npm = find_npm()
    assert npm is not None, "The provider is fetched with npm, which is missing."
    return npm


def _fetch(folder: Path) -> None:
    npm = _npm()
    path = os.pathsep.join((str(npm.node_folder), os.environ.get("PATH", os.defpath)))
    subprocess.run(
        [
            *npm.command,
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(folder),
            f"{PACKAGE}@{VERSION}",
        ],
        cwd=folder,
        env={**os.environ, "PATH": path},
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=300,
    )
    lock = json.loads((folder / "package-lock.json").read_text())
    found = lock["packages"][f"node_modules/{PACKAGE}"]["integrity"]
    assert found == INTEGRITY, f"{PACKAGE} {VERSION} has another digest than it had: {found}"


class OpenIdProvider:
    """The provider on a port, for the Kinote at an address, while the block lasts. Its tokens are valid for seconds."""

    def __init__(self, port: int, kinote: str, seconds: int) -> None:
        script = Path(__file__).parent / "openid_provider.mjs"
        self.url = f"http://127.0.0.1:{port}"
        node = str(_npm().node_folder / "node")
        self._process = subprocess.Popen(
            [node, str(script), str(installed()), str(port), kinote, str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> OpenIdProvider:
        assert self._process.stdout is not None
        assert any("listening" in line for line in self._process.stdout)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, what: str) -> Any:
        return httpx.get(f"{self.url}/test/{what}", trust_env=False, timeout=60).json()
