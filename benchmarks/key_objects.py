"""Measure reading, writing and checking key objects, beside pydicom and highdicom: processor time and memory.

    python -m benchmarks.key_objects

Writing goes from the UIDs of the references to the bytes of a file, reading from these to the references
with their studies and series. Checking is what each library has for it: Kinote its checker, pydicom the values
of all elements by their representations, highdicom its strict reading. Each library writes its own file and
reads and checks Kinote's, in a process of its own.
Memory is how much that process grows at most the first time (VmHWM); milliseconds are processor time, in which
other work on the machine hardly shows, and the median of as many times as there is time for. highdicom takes no
part beyond --highdicom-most references.

Hostile files are content nested 10,000 deep, and a deflated file that is kilobytes on the disk and hundreds
of megabytes in memory. What matters there is that reading ends soon, in little memory, and says what is
wrong; it is given up after --patience seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import struct
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from benchmarks.key_object_libraries import LIBRARIES, Reference
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.objects import document
from benchmarks.table import Cell, Table, ratio
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.keyobject.model import KeyObjectDocument
from kinote.keyobject.writer import encode, encode_file

SIZES = (1, 10, 1_000, 20_000)
DEPTH = 10_000
_MEGABYTE = 1 << 20

#: Begin of a Content Sequence of undefined length and of its first item, and the ends of both.
_BEGIN = struct.pack("<HH2sHIHHI", 0x40, 0xA730, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
_END = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)


@dataclass(frozen=True, slots=True)
class Cost:
    """What work took: milliseconds of processor time, megabytes of memory at its peak; and what came of it."""

    milliseconds: float
    megabytes: float
    result: object


def cost(work: Callable[[], object], seconds: float) -> Cost:
    """Do the work for so long, at least once; the first time is left out where there are others."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _memory("VmRSS")
    taken: list[float] = []
    grown, result = 0.0, None
    while not taken or sum(taken) < seconds:
        begun = time.process_time()
        found = work()
        taken.append(time.process_time() - begun)
        if len(taken) == 1:
            grown, result = _memory("VmHWM") - before, found
    return Cost(median(taken[1:] or taken) * 1000, max(grown, 0), result)


def _memory(name: str) -> float:
    """Megabytes of this process: `VmRSS` now, `VmHWM` at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def apart(work: Callable[[], object], seconds: float, patience: float) -> Cost | None:
    """The cost of some work in a process of its own; None if it is not done in time."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send_cost, args=(there, work, seconds))
    process.start()
    there.close()
    try:
        if not here.poll(patience):
            return None
        found: Cost = here.recv()
        return found
    finally:
        process.kill()
        process.join()


def _send_cost(answer: Connection, work: Callable[[], object], seconds: float) -> None:
    answer.send(cost(work, seconds))


# --- what everybody writes and reads ----------------------------------------------------------------


def measure(sizes: Sequence[int], seconds: float, highdicom_most: int, patience: float) -> Table:
    table = Table(
        (
            "work",
            "KB",
            *(f"{name} {unit}" for name in LIBRARIES for unit in ("ms", "MB")),
            *(f"{name} to us" for name in LIBRARIES if name != "Kinote"),
        )
    )
    for size in sizes:
        made = document(1, 1, range(size))
        file = encode_file(made)
        writing: dict[str, Cost] = {}
        reading: dict[str, Cost] = {}
        checking: dict[str, Cost] = {}
        for name, library in LIBRARIES.items():
            if name == "highdicom" and size > highdicom_most:
                continue
            written = apart(library.prepare_write(made), seconds, patience)
            read = apart(partial(library.read, file), seconds, patience)
            checked = apart(partial(library.check, file), seconds, patience)
            if written:
                assert isinstance(written.result, bytes)
                _agree(name, made, LIBRARIES["Kinote"].read(written.result))
                writing[name] = written
            if read:
                _agree(name, made, read.result)
                reading[name] = read
            if checked:
                if checked.result:
                    raise RuntimeError(f"{name} finds faults in a sound key object")
                checking[name] = checked
        table.add(f"write, {size} references", len(file) / 1000, *_cells(writing))
        table.add(f"read, {size} references", len(file) / 1000, *_cells(reading))
        table.add(f"check, {size} references", len(file) / 1000, *_cells(checking))
    return table


def _agree(name: str, made: KeyObjectDocument, found: object) -> None:
    """Raise `RuntimeError` unless a library has written or read the references of the document."""
    flagged = [one.instance for one in made.selection.references]
    wanted = [
        Reference(one.study_instance_uid, one.series_instance_uid, one.sop_class_uid, one.sop_instance_uid)
        for one in flagged
    ]
    if found != wanted:
        raise RuntimeError(f"{name} writes or reads other references than those it was given")


def _cells(costs: Mapping[str, Cost]) -> list[Cell]:
    """Milliseconds and megabytes of each library, then the ratios of its milliseconds to Kinote's."""
    cells: list[Cell] = []
    for name in LIBRARIES:
        found = costs.get(name)
        cells += (found.milliseconds, found.megabytes) if found else (None, None)
    ours = costs.get("Kinote")
    for name in LIBRARIES:
        found = costs.get(name)
        if name != "Kinote":
            cells.append(ratio(found.milliseconds, ours.milliseconds) if found and ours else None)
    return cells


# --- hostile files ----------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    """A key object whose content is nested so deep."""
    head = _up_to_content()
    meta = file_meta_bytes(KEY_OBJECT_SELECTION, "2.25.1", EXPLICIT_VR_LITTLE_ENDIAN)
    return meta + head + _BEGIN * depth + _END * depth


def bomb(megabytes: int) -> bytes:
    """A deflated key object that inflates to so many megabytes: one long text of a private element."""
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    text = struct.pack("<HH2sHI", 0x0099, 0x1001, b"UT", 0, megabytes * _MEGABYTE)
    parts = [deflate.compress(encode(document(1, 1, range(2))) + text)]
    parts += [deflate.compress(b" " * _MEGABYTE) for _ in range(megabytes)]
    meta = file_meta_bytes(KEY_OBJECT_SELECTION, "2.25.1", DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    return b"".join((meta, *parts, deflate.flush()))


def _up_to_content() -> bytes:
    """A key object up to its Content Sequence, which is its last element."""
    whole = encode(document(1, 1, range(2)))
    return whole[: whole.index(struct.pack("<HH2s", 0x40, 0xA730, b"SQ"))]


def hostile(files: Mapping[str, bytes], seconds: float, patience: float) -> Table:
    table = Table(("file", "KB", "reader", "ms", "MB", "what it says"))
    for name, file in files.items():
        for reader in ("Kinote", "pydicom"):
            found = apart(partial(LIBRARIES[reader].judge, file), seconds, patience)
            cells: tuple[Cell, ...] = (None, None, f"nothing in {patience:g} s")
            if found:
                cells = (found.milliseconds, found.megabytes, str(found.result))
            table.add(name, len(file) / 1000, reader, *cells)
    return table


def warm_up() -> None:
    """What is loaded and made once is no object's: it is done before processes are forked."""
    made = document(1, 1, range(2))
    for library in LIBRARIES.values():
        library.judge(library.prepare_write(made)())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--references", type=int, nargs="+", default=SIZES, help="[default: 1 10 1000 20000]")
    parser.add_argument("--seconds", type=float, default=2, help="for each piece of work [default: 2]")
    parser.add_argument("--highdicom-most", type=int, default=1_000, help="references [default: 1000]")
    parser.add_argument("--bomb", type=int, default=512, help="megabytes it inflates to [default: 512]")
    parser.add_argument(
        "--patience", type=float, default=120, help="seconds for one piece of work [default: 120]"
    )
    add_folder(parser)
    options = parser.parse_args(arguments)
    with temporary_folder(options.folder) as folder:
        describe(folder, "pydicom", "highdicom")
    print(f"settings  {options.seconds:g} s for each piece of work, from memory to memory")
    warm_up()
    table = measure(options.references, options.seconds, options.highdicom_most, options.patience)
    table.show("Key objects: milliseconds, and megabytes at the peak")
    files = {f"nested {DEPTH} deep": nested(DEPTH), f"inflates to {options.bomb} MB": bomb(options.bomb)}
    hostile(files, options.seconds, options.patience).show("Hostile files")


if __name__ == "__main__":
    main()
