"""Huffman decoding of JPEG entropy-coded segments in numpy (ITU-T T.81 Annex F.2.2).

Huffman decoding is sequential: a code begins where the one before it ended. Here the length of the code that
would begin at *each* bit is looked up for many bits at once, so that what remains for Python is to hop from
code to code; the values of all codes are then again computed at once.
"""

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.pixels.jpeg.stream import JpegError

#: A hop where no code begins: longer than any code with its extra bits.
NO_CODE = 255

_SHIFTS: NDArray[np.uint32] = np.arange(8, 0, -1).astype(np.uint32)


def windows_between(octets: NDArray[np.uint8], first: int, last: int) -> NDArray[np.uint32]:
    """The 16 bits that follow each bit of the bytes from `first` to `last`, (bytes, 8); needs 2 bytes more."""
    wide = octets[first : last + 2].astype(np.uint32)
    wide[:-2] = (wide[:-2] << np.uint32(16)) | (wide[1:-1] << np.uint32(8)) | wide[2:]
    return ((wide[:-2, None] >> _SHIFTS) & np.uint32(0xFFFF)).astype(np.uint32, copy=False)


def windows_at(octets: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.intp]:
    """The 16 bits from each bit position on."""
    return (_bits_at(octets, positions) >> np.uint64(16)).astype(np.intp)


def steps_of(code_lengths: NDArray[np.uint8], sizes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """By the next 16 bits: bits of a code and of the `sizes` extra bits after it; `NO_CODE` if it is none."""
    return np.where(code_lengths > 0, code_lengths + sizes, NO_CODE).astype(np.uint8)


def values_at(
    octets: NDArray[np.uint8],
    positions: NDArray[np.int64],
    code_lengths: NDArray[np.uint8],
    sizes: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """What the extra bits after the codes at `positions` stand for (T.81 F.2.2.1, EXTEND).

    `code_lengths` and `sizes` are by the next 16 bits. Raises `JpegError` where there is no code.
    """
    bits = _bits_at(octets, positions)
    head = (bits >> np.uint64(16)).astype(np.intp)
    lengths = code_lengths[head].astype(np.int64)
    if bool((lengths == 0).any()):
        raise JpegError("the JPEG stream has a code that its Huffman table does not define")
    extra = sizes[head].astype(np.int64)
    found = (bits >> (32 - lengths - extra).astype(np.uint64)).astype(np.int64) & ((1 << extra) - 1)
    return np.where(found < (1 << extra >> 1), found - (1 << extra) + 1, found)


def _bits_at(octets: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The 32 bits from each bit position on."""
    places = positions >> 3
    bits: NDArray[np.uint64] = octets[places].astype(np.uint64)
    for following in range(1, 5):
        bits = (bits << np.uint64(8)) | octets[np.minimum(places + following, octets.size - 1)]
    bits >>= (8 - (positions & 7)).astype(np.uint64)
    bits &= np.uint64(0xFFFFFFFF)
    return bits
