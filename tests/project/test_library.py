"""The library by itself: what it imports, and the examples of its page."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.project.pages import blocks
from tests.project.sources import PACKAGE, ROOT

LIBRARY = ("dicom", "keyobject")

#: Makes pictures, by pillow, which comes with the server.
OF_THE_SERVER = {
    Path("dicom/pixels/pictures.py"),
    Path("dicom/pixels/presenting/annotations.py"),
    Path("dicom/pixels/presenting/lettering.py"),
}
MODULES = sorted(
    f"kinote.{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}".removesuffix(".__init__")
    for room in LIBRARY
    for path in (PACKAGE / room).rglob("*.py")
    if path.relative_to(PACKAGE) not in OF_THE_SERVER
)
PAGE = ROOT / "docs" / "library.md"


#: Refuses whatever the library does not require: pydicom takes more where there is more.
ONLY_REQUIREMENTS = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        package = name.partition(".")[0]
        if package not in sys.stdlib_module_names | {"kinote", "numpy", "pydicom"}:
            raise ModuleNotFoundError(f"{package} is not required", name=package)

sys.meta_path.insert(0, Refuse())
"""


def test_it_imports_nothing_of_the_server_and_no_more_than_it_requires() -> None:
    program = f"{ONLY_REQUIREMENTS}\nimport {', '.join(MODULES)}\nprint(*sys.modules, sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": "src"},
    )
    loaded = result.stdout.split()
    rooms = {module.split(".")[1] for module in loaded if module.startswith("kinote.")}
    assert rooms == set(LIBRARY)


def test_its_page_names_its_modules() -> None:
    page = PAGE.read_text(encoding="utf-8")
    named = {module for module in MODULES if f"`{module.rpartition('.')[2]}`" in page}
    public = {
        "files",
        "reader",
        "reading",
        "check",
        "findings",
        "model",
        "writer",
        "elements",
        "rebuilding",
        "titles",
        "codes",
    }
    assert {f"kinote.keyobject.{name}" for name in (*public, "image_library")} <= named


def test_the_examples_of_its_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, as a reader would type them."""
    known: dict[str, Any] = {}
    runner = doctest.DocTestRunner()
    examples = 0
    for number, block in enumerate(blocks(PAGE, "pycon")):
        test = doctest.DocTestParser().get_doctest(block, known, f"example {number + 1}", str(PAGE), 0)
        examples += len(test.examples)
        runner.run(test, clear_globs=False)
        known = test.globs
    assert examples > 30
    assert runner.summarize(verbose=False).failed == 0, capsys.readouterr().out
