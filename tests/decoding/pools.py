"""Pools of decoding processes for tests, and what is asked of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kinote.decoding.messages import Codec, ColourTransform, FrameRequest
from kinote.decoding.options import DecodingOptions
from kinote.decoding.pool import Decoded, Pool

PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("misbehaving.py")))

#: A limit that no frame of these tests reaches unless it hangs.
SHORT = DecodingOptions(processes=2, seconds=0.4, memory=256 << 20)

FRAME = FrameRequest(
    codec=Codec.JPEG,
    word_bytes=2,
    is_signed=False,
    is_lossless=False,
    colour=ColourTransform.NONE,
    components=1,
    rows=16,
    columns=8,
)


@contextmanager
def misbehaving(
    options: DecodingOptions = SHORT, observe: Callable[[Decoded], None] = lambda _: None
) -> Iterator[Pool]:
    """A pool whose codec does what the frame says."""
    pool = Pool(options, observe, PROGRAM)
    try:
        yield pool
    finally:
        pool.close()


def good(pool: Pool, study: str = "1.2") -> NDArray[Any]:
    """The words of a healthy frame."""
    return pool.decode(b"\x05", FRAME, study)
