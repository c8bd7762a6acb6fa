"""The memory that frames take in this process while they are decoded and shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kinote.decoding.errors import DecodingUnavailableError
from kinote.dicom.pixels.frames import Frames
from kinote.memory import estimates
from kinote.memory.ledger import Charge, MemoryFullError
from kinote.memory.shared import MEMORY


@contextmanager
def charged() -> Iterator[Charge]:
    """Return a charge of nothing for a block that decodes. Where memory is full, the block ends with
    `DecodingUnavailableError`."""
    try:
        with MEMORY.open() as memory:
            yield memory
    except MemoryFullError as error:
        raise DecodingUnavailableError(str(error)) from error


@contextmanager
def frame_memory(frames: Frames, number: int, beside: int = 0) -> Iterator[None]:
    """Have the memory for one frame, counted from 1, during the block: for its bytes and samples, and `beside` bytes.

    Raises `PictureError` if there is no such frame, and `DecodingUnavailableError` if there is no memory in time.
    """
    with charged() as memory:
        memory.reach(frame_cost(frames, number) + beside)
        yield


def frame_cost(frames: Frames, number: int) -> int:
    """Return what a frame takes until it has gone out, in bytes. Raises `PictureError` if there is no such frame."""
    form = frames.format
    return 2 * frames.size(number) + estimates.of_samples(form.rows * form.columns * form.samples)
