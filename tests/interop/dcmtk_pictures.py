"""The pictures that DCMTK's dcmj2pnm makes, beside Kinote's."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset

from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.windows import Window
from tests.dicom.shown import pixels
from tests.interop.peers import run

_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")


@dataclass(frozen=True)
class Compared:
    """A file, and how its first frame differs: the greatest and the mean difference of a grey or colour."""

    path: Path
    reason: str = ""
    greatest: float = 0.0
    mean: float = 0.0


def _is_windowed(dataset: Dataset) -> bool:
    values = dataset.get("WindowWidth")
    return values not in (None, "", []) and "WindowCenter" in dataset


def _in_groups(dataset: Dataset, sequence: str) -> Dataset | None:
    """The item of a functional group macro of the first frame."""
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for group in (dataset.get(groups) or ())[:1]:
            items = group.get(sequence)
            if items:
                found: Dataset = items[0]
                return found
    return None


def options(dataset: Dataset) -> tuple[list[str], Window | None] | str:
    """How dcmj2pnm is to show an object as Kinote does, and the window for both; or why it cannot."""
    if dataset.get("SamplesPerPixel", 1) != 1 or dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        return [], None
    if dataset.get("VOILUTSequence"):
        return ["+Wl", "1"], None
    if _is_windowed(dataset):
        return ["+Wi", "1"], None
    transformation = _in_groups(dataset, "PixelValueTransformationSequence")
    if transformation is not None and (transformation.RescaleSlope, transformation.RescaleIntercept) != (
        1,
        0,
    ):
        return "DCMTK knows no rescale in functional groups"
    if dataset.get("PixelPresentation") in ("COLOR", "MIXED"):
        return "DCMTK knows no supplemental palettes"
    if "FloatPixelData" in dataset or dataset.get("BitsAllocated") in (1, 32, 64):
        return "without a window: each program has its own range, and DCMTK takes none for these samples"
    window = Window(300.0, 1000.0) if dataset.get("BitsStored", 16) > 8 else Window(100.0, 150.0)
    return ["+Ww", f"{window.centre:g}", f"{window.width:g}"], window


def compared(path: Path, folder: Path) -> Compared | None:
    """The first frame of a file; None where there is no image in it."""
    try:
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        wanted = options(dataset)
    except Exception:  # whatever pydicom raises for what is no DICOM
        return None
    if "Rows" not in dataset or "SOPClassUID" not in dataset:
        # No image.
        return None
    try:
        with open_frames(path) as frames:
            ours = pixels(frames, window=None if isinstance(wanted, str) else wanted[1])
            syntax = frames.transfer_syntax.uid
    except PictureError as error:
        code, _ = run("dcmj2pnm", path, folder / "theirs")
        return Compared(path, f"Kinote: {error}" + ("" if code else " (DCMTK shows it)"))
    if isinstance(wanted, str):
        return Compared(path, wanted)
    source = path
    if syntax in _JPEG_LS and not run("dcmdjpls", path, folder / "decoded")[0]:
        source = folder / "decoded"
    theirs = _by_dcmtk(source, wanted[0], folder / "theirs")
    if isinstance(theirs, str):
        return Compared(path, f"DCMTK: {theirs}")
    if ours.shape != theirs.shape:
        if ours.ndim == 3 and theirs.ndim == 2:
            theirs = np.repeat(theirs[..., None], 3, axis=2)
        else:
            return Compared(path, f"sizes {ours.shape}, {theirs.shape}")
    difference = np.abs(ours.astype(int) - theirs)
    return Compared(path, "", float(difference.max()), float(difference.mean()))


def _by_dcmtk(path: Path, wanted: list[str], picture: Path) -> NDArray[np.uint8] | str:
    picture.unlink(missing_ok=True)
    code, said = run("dcmj2pnm", *wanted, path, picture)
    if code or not picture.exists():
        return next((line for line in said.splitlines() if line.startswith(("F:", "E:"))), said.strip()[:100])
    return np.asarray(Image.open(io.BytesIO(picture.read_bytes())))
