"""The demo studies: pictures of people who do not exist, made by programs and the same every time."""

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

#: Real images that come with the pydicom package itself (nothing is downloaded).
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
    """Files to be imported, and the notes to be made when they are in."""

    files: tuple[Path, ...]
    notes: tuple[notes.DemoNote, ...]


def build(folder: Path) -> DemoStudies:
    """Make the demo studies in a folder; takes a few seconds."""
    made = (write(dataset, folder) for dataset in _datasets())
    return DemoStudies((*made, *real_images()), notes.DEMO_NOTES)


def real_images() -> tuple[Path, ...]:
    """The files of `REAL_IMAGES`, where the installed pydicom has them."""
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
