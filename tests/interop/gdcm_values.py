"""Run by tests in a process of its own, which GDCM may abort: writes what it decodes of a file, as JSON and bytes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gdcm


def main(path: str, decoded: str) -> None:
    gdcm.Trace.WarningOff()
    gdcm.Trace.ErrorOff()
    reader = gdcm.ImageReader()
    reader.SetFileName(path)
    if not reader.Read():
        sys.exit(2)
    image = reader.GetImage()
    form = image.GetPixelFormat()
    words = image.GetBuffer()
    if words is None:
        sys.exit(3)
    Path(decoded).write_bytes(words.encode("utf-8", "surrogateescape"))
    said = {
        "allocated": form.GetBitsAllocated(),
        "stored": form.GetBitsStored(),
        "high": form.GetHighBit(),
        "signed": form.GetPixelRepresentation(),
        "planar": image.GetPlanarConfiguration(),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
