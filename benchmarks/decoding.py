"""Measure the decoding of compressed frames, by transfer syntax: Kinote's processes beside pydicom's plugins.

    python -m benchmarks.decoding

A frame of 512 x 512 pixels is decoded over and over by one thread; the figure is the least time of all rounds by the
clock, in milliseconds, since other work on the machine only adds to it. pydicom uses whatever is installed beside it
(pillow, GDCM, pylibjpeg). `--earlier PYTHON SOURCES` measures the decoder of a version of Kinote before there were
decoding processes, in that interpreter. `--files` measures the first frame of each file of a folder instead.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from benchmarks.machine import describe
from benchmarks.table import Cell, Table, ratio
from kinote.decoding.frame_decoder import decode_frame
from kinote.dicom.dictionary.transfer_syntaxes import lookup
from kinote.dicom.pixels.frames import open_frames

_SIZE = 512

#: As long as the UIDs of JPEG XL.
_MPEG2 = "1.2.840.10008.1.2.4.100"

#: In an earlier version: decodes each file it is given, and prints its least time.
_EARLIER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from kinote.dicom.pixels.decoding import decode
from kinote.dicom.pixels.frames import open_frames
for path in sys.argv[2:]:
    with open_frames(__import__("pathlib").Path(path)) as frames:
        data, best = frames.read(1), None
        try:
            for _ in range(int(sys.argv[1])):
                begun = time.perf_counter()
                decode(data, frames.format, frames.transfer_syntax)
                spent = time.perf_counter() - begun
                best = spent if best is None else min(best, spent)
        except Exception:
            best = None
    print(json.dumps(best), flush=True)
"""


def _picture(bits: int) -> NDArray[Any]:
    """A round body in noise, as a CT is."""
    down, across = np.mgrid[:_SIZE, :_SIZE] - _SIZE / 2
    inside = (down / 200) ** 2 + (across / 230) ** 2 < 1
    noise = np.random.default_rng(1).normal(0, 20, (_SIZE, _SIZE))
    values = np.clip(200 + inside * (900 + 300 * np.sin(down / 20) * np.cos(across / 30)) + noise, 0, 4095)
    pixels: NDArray[Any] = values.astype(np.uint16) if bits > 8 else (values / 16).astype(np.uint8)
    return pixels


def _packed(samples: NDArray[Any]) -> bytes:
    """An RLE frame (PS3.5 G)."""
    planes = [np.ascontiguousarray(samples).view(np.uint8).reshape(-1, 2)[:, byte] for byte in (1, 0)]
    segments = [bytes(imagecodecs.packbits_encode(plane.tobytes())) for plane in planes]
    header = np.zeros(16, "<u4")
    header[:3] = 2, 64, 64 + len(segments[0])
    return header.tobytes() + b"".join(segments)


def _frames() -> dict[str, tuple[int, bytes]]:
    """A frame of each transfer syntax, and its bits."""
    deep, shallow = _picture(12), _picture(8)
    jpeg = "1.2.840.10008.1.2.4."
    made = {
        "1.2.840.10008.1.2.5": (12, _packed(deep)),
        f"{jpeg}50": (8, imagecodecs.jpeg8_encode(shallow, level=90)),
        f"{jpeg}51": (12, imagecodecs.jpeg8_encode(deep, level=90, bitspersample=12)),
        f"{jpeg}70": (12, imagecodecs.jpeg8_encode(deep, lossless=True, predictor=1, bitspersample=12)),
        f"{jpeg}80": (12, imagecodecs.jpegls_encode(deep)),
        f"{jpeg}90": (12, imagecodecs.jpeg2k_encode(deep, level=0, codecformat="j2k", bitspersample=12)),
        f"{jpeg}201": (12, imagecodecs.htj2k_encode(deep, reversible=True)),
        f"{jpeg}110": (12, imagecodecs.jpegxl_encode(deep, lossless=True, bitspersample=12)),
    }
    return {syntax: (bits, bytes(frame)) for syntax, (bits, frame) in made.items()}


def _written(folder: Path) -> list[Path]:
    """Each frame as a file."""
    paths = []
    for number, (syntax, (bits, frame)) in enumerate(_frames().items()):
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
        dataset.Rows = dataset.Columns = _SIZE
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = 8 if bits == 8 else 16
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
        dataset.PixelData = encapsulate([frame])
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
        dataset.file_meta = FileMetaDataset()
        known = syntax if UID(syntax).is_transfer_syntax else _MPEG2
        dataset.file_meta.TransferSyntaxUID = UID(known)
        paths.append(folder / f"{number}.dcm")
        pydicom.dcmwrite(paths[-1], dataset, enforce_file_format=True)
        # pydicom does not know JPEG XL yet, and writes no file.
        paths[-1].write_bytes(paths[-1].read_bytes().replace(known.encode(), syntax.encode(), 1))
    return paths


def _least(work: Callable[[], object], rounds: int) -> float | None:
    """The least time of all rounds in seconds; None where it cannot be done."""
    best = None
    for _ in range(rounds):
        begun = time.perf_counter()
        try:
            work()
        except Exception:  # pydicom and its plugins raise what they like
            return None
        spent = time.perf_counter() - begun
        best = spent if best is None else min(best, spent)
    return best


def _by_kinote(path: Path, rounds: int) -> float | None:
    with open_frames(path) as frames:
        return _least(lambda: decode_frame(frames, 1), rounds)


def _by_pydicom(path: Path, rounds: int) -> float | None:
    return _least(lambda: pixel_array(path, index=0), rounds)


def _by_earlier(python: str, sources: str, paths: Sequence[Path], rounds: int) -> list[float | None]:
    done = subprocess.run(
        [python, "-c", _EARLIER, str(rounds), *map(str, paths)],
        env={"PYTHONPATH": sources},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=50, help="[default: 50]")
    parser.add_argument("--earlier", nargs=2, metavar=("PYTHON", "SOURCES"))
    parser.add_argument("--files", type=Path, help="a folder of DICOM files, each of which is measured")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    describe(Path(tempfile.gettempdir()), "imagecodecs", "pydicom", "numpy")
    with tempfile.TemporaryDirectory() as folder:
        paths = sorted(options.files.glob("*.dcm*")) if options.files else _written(Path(folder))
        earlier: list[float | None] = [None] * len(paths)
        if options.earlier:
            earlier = _by_earlier(options.earlier[0], options.earlier[1], paths, options.rounds)
        table = Table(("transfer syntax", "Kinote ms", "earlier ms", "earlier / now", "pydicom ms"))
        for path, before in zip(paths, earlier, strict=True):
            with open_frames(path) as frames:
                name = lookup(frames.transfer_syntax.uid).name
            ours, theirs = _by_kinote(path, options.rounds), _by_pydicom(path, options.rounds)
            compared = ratio(before, ours) if before and ours else "-"
            table.add(name[:60], _milliseconds(ours), _milliseconds(before), compared, _milliseconds(theirs))
        table.show(f"Decoding a frame, least of {options.rounds} times")


def _milliseconds(seconds: float | None) -> Cell:
    return None if seconds is None else seconds * 1000


if __name__ == "__main__":
    main()
