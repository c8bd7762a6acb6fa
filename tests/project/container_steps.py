"""The steps of `packaging/Containerfile`, done without a container: in folders of this machine.

    python -m tests.project.container_steps

It builds the wheel, does what COPY and RUN say, with a folder in the place of each of the image's, and starts the
program. It installs every requirement, and so takes a minute or two.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "packaging" / "Containerfile"

#: The instructions that are looked at here; the others only say how a container is run.
KINDS = {
    *("FROM", "COPY", "RUN", "USER", "ENV", "VOLUME", "WORKDIR"),
    *("EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"),
}


def instructions() -> list[tuple[str, str]]:
    """Return the instructions with what follows them."""
    text = CONTAINERFILE.read_text().replace("\\\n", " ")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def do_steps(folder: Path) -> str:
    """Do the steps below a folder; return what the program that was installed says of itself."""
    build = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--wheel-dir", folder / "dist"], cwd=ROOT, check=True)
    places = {"/opt/kinote": folder / "opt", "/tmp/kinote": folder / "tmp"}
    program: list[str] = []
    for instruction, rest in instructions():
        if instruction == "COPY":
            source, target = rest.split()
            copied = places[target.rstrip("/")]
            copied.mkdir(exist_ok=True)
            for file in (folder if source.startswith("dist") else ROOT).glob(source):
                shutil.copy(file, copied)
        elif instruction == "RUN":
            subprocess.run(["sh", "-ec", _placed(rest, places)], cwd=folder, check=True, env=_plain())
        elif instruction == "ENTRYPOINT":
            program = [_placed(word, places) for word in json.loads(rest)]
    said = subprocess.run(
        [*program, "serve", "--help"], cwd=folder, env=_plain(), check=True, capture_output=True, text=True
    )
    return said.stdout


def _placed(text: str, places: dict[str, Path]) -> str:
    for place, folder in places.items():
        text = text.replace(place, str(folder))
    return text


def _plain() -> dict[str, str]:
    """The environment of this machine, without what leads Python elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(do_steps(Path(made)))
