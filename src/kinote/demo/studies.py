"""Making the files of the demo studies. The images are synthetic and the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from kinote.demo import identity, notes
from kinote.demo.chest_ct import chest_ct, earlier_chest_ct
from kinote.demo.chest_radiograph import chest_radiograph
from kinote.demo.dataset import write
from kinote.demo.head_mr import head_mr
from kinote.demo.liver_us import liver_us
from kinote.demo.marked_nodule import marked_nodule

#: Real images that are part of the pydicom package, so nothing is downloaded.
REAL_IMAGES = (
    "CT_small.dcm",
    "MR_small.dcm",
    "examples_overlay.dcm",
    "examples_palette.dcm",
    "examples_rgb_color.dcm",
    "examples_ybr_color.dcm",
)


@dataclass(frozen=True, slots=True)
class DemoStudies:
    """The files to import, and the notes to make afterwards."""

    files: tuple[Path, ...]
    notes: tuple[notes.DemoNote, ...]


def build(folder: Path) -> DemoStudies:
    """Write the demo studies to a folder. This takes a few seconds."""
    written = (write(dataset, folder) for dataset in _datasets())
    return DemoStudies((*written, *real_images()), notes.DEMO_NOTES)


def real_images() -> tuple[Path, ...]:
    """Return the paths of `REAL_IMAGES` that the installed pydicom contains."""
    found = (get_testdata_file(name, download=False) for name in REAL_IMAGES)
    return tuple(Path(path) for path in found if path is not None)


def _datasets() -> Iterator[Dataset]:
    yield from earlier_chest_ct()
    current = list(chest_ct())
    yield from current
    yield marked_nodule(current[identity.NODULE_SLICE - 1])
    yield chest_radiograph()
    yield from head_mr()
    yield liver_us()
