"""A lossless JPEG encoder for tests, written from ITU-T T.81 Annex H, sample by sample and in no hurry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Codes of 5 bits for the 17 categories of differences: simple, and no code is all ones.
_CODE_BITS = 5


def encode(
    samples: NDArray[np.uint16],
    *,
    precision: int,
    predictor: int,
    transform: int = 0,
    restart_rows: int = 0,
    interleaved: bool = True,
) -> bytes:
    """(rows, columns, components) as a lossless JPEG stream; `transform` drops that many low bits."""
    rows, columns, components = samples.shape
    stream = bytearray(b"\xff\xd8\xff\xc3")
    stream += (8 + 3 * components).to_bytes(2, "big") + bytes([precision])
    stream += rows.to_bytes(2, "big") + columns.to_bytes(2, "big") + bytes([components])
    for component in range(components):
        stream += bytes([component + 1, 0x11, 0])
    for table in range(components):
        counts = bytes(17 if length == _CODE_BITS else 0 for length in range(1, 17))
        # Each table numbers the categories in another order, so that a wrong table is noticed.
        stream += (
            b"\xff\xc4" + (2 + 17 + 17).to_bytes(2, "big") + bytes([table]) + counts + _categories(table)
        )
    if restart_rows:
        stream += b"\xff\xdd\x00\x04" + (restart_rows * columns).to_bytes(2, "big")
    scans = [list(range(components))] if interleaved else [[component] for component in range(components)]
    for scan in scans:
        stream += b"\xff\xda" + (6 + 2 * len(scan)).to_bytes(2, "big") + bytes([len(scan)])
        for component in scan:
            stream += bytes([component + 1, component << 4])
        stream += bytes([predictor, 0, transform])
        step = restart_rows or rows
        for index, first in enumerate(range(0, rows, step)):
            if index:
                stream += bytes([0xFF, 0xD0 + (index - 1) % 8])
            part = samples[first : first + step][..., scan] >> transform
            stream += _coded(part.astype(int), scan, precision - transform, predictor)
    return bytes(stream + b"\xff\xd9")


def _categories(table: int) -> bytes:
    return bytes((category + 5 * table) % 17 for category in range(17))


def _coded(samples: NDArray[np.int64], tables: list[int], precision: int, predictor: int) -> bytes:
    bits = []
    for row in range(samples.shape[0]):
        for column in range(samples.shape[1]):
            for plane, table in enumerate(tables):
                guess = _prediction(samples[:, :, plane], row, column, precision, predictor)
                difference = (int(samples[row, column, plane]) - guess) & 0xFFFF
                difference = difference if difference <= 32768 else difference - 65536
                category = abs(difference).bit_length() if difference != 32768 else 16
                code = _categories(table).index(category)
                bits.append(f"{code:0{_CODE_BITS}b}")
                if 0 < category < 16:
                    value = difference if difference > 0 else difference + (1 << category) - 1
                    bits.append(f"{value:0{category}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    coded = int(text, 2).to_bytes(len(text) // 8, "big")
    return coded.replace(b"\xff", b"\xff\x00")


def _prediction(plane: NDArray[np.int64], row: int, column: int, precision: int, predictor: int) -> int:
    if row == 0 and column == 0:
        return 1 << (precision - 1)
    if row == 0:
        return int(plane[0, column - 1])
    if column == 0:
        return int(plane[row - 1, 0])
    left, above, corner = (
        int(plane[row, column - 1]),
        int(plane[row - 1, column]),
        int(plane[row - 1, column - 1]),
    )
    return {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[predictor]
