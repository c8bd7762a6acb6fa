"""JPEG lossless, Huffman coded (ITU-T T.81 Annex H, process 14, all seven predictors), in numpy.

No codec package of a permissive licence decodes 1.2.840.10008.1.2.4.57 and .70, and archives are full of
both. Codes are found as `jpeg_entropy` says, block by block, so that memory is bounded; predictions are
computed for whole rows or frames at once.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.pixels.jpeg.entropy import steps_of, values_at, windows_at, windows_between
from kinote.dicom.pixels.jpeg.stream import FrameHeader, HuffmanTable, JpegError, Scan, parse

_LOSSLESS_HUFFMAN = 3  # SOF3
#: Coded bytes whose bits are looked up at once: some 5 MB of working memory.
BLOCK = 1 << 16


def decode(data: bytes, *, max_samples: int = 1 << 28) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Samples of a lossless JPEG image, (rows, columns) or (rows, columns, components).

    uint8 up to a precision of 8 bits, else uint16. Raises `JpegError` where the stream is damaged, is of
    another process, or claims more than `max_samples` samples or more than its bytes can hold.
    """
    stream = parse(data)
    frame = stream.frame
    _check(frame, len(data), max_samples)
    samples = np.zeros((frame.rows, frame.columns, len(frame.components)), np.uint16)
    seen: set[int] = set()
    for scan in stream.scans:
        planes = [component.index for component in scan.components]
        samples[..., planes] = _decode_scan(frame, scan)
        seen.update(planes)
    if len(seen) != len(frame.components):
        raise JpegError("the JPEG stream does not hold all components of its frame header")
    if len(frame.components) == 1:
        samples = samples[..., 0]
    return samples.astype(np.uint8) if frame.precision <= 8 else samples


def _check(frame: FrameHeader, size: int, max_samples: int) -> None:
    if frame.process != _LOSSLESS_HUFFMAN:
        raise JpegError(f"the JPEG stream is of process SOF{frame.process}, not lossless Huffman (SOF3)")
    if not 2 <= frame.precision <= 16:
        raise JpegError(f"lossless JPEG has no precision of {frame.precision} bits")
    if any((c.horizontal, c.vertical) != (1, 1) for c in frame.components):
        raise JpegError("lossless JPEG with subsampled components is not supported")
    samples = frame.rows * frame.columns * len(frame.components)
    if samples > max_samples or samples > 8 * size:
        raise JpegError(
            f"the JPEG header says {frame.columns} x {frame.rows} pixels, more than {size} bytes can hold"
        )


def _decode_scan(frame: FrameHeader, scan: Scan) -> NDArray[np.uint16]:
    tables = []
    for component in scan.components:
        if component.dc_table is None:
            raise JpegError("a JPEG scan uses a Huffman table that the stream does not define")
        tables.append(component.dc_table)
    rows_per_segment = _rows_per_segment(frame, scan)
    parts = []
    for segment, first in zip(scan.segments, range(0, frame.rows, rows_per_segment), strict=False):
        rows = min(rows_per_segment, frame.rows - first)
        shape = (rows, frame.columns, len(tables))
        differences = _differences(segment, tables, rows * frame.columns * len(tables)).reshape(shape)
        parts.append(_predict(differences, scan, frame.precision))
    samples = np.concatenate(parts) if parts else np.zeros((0, frame.columns, len(tables)), np.uint16)
    if samples.shape[0] != frame.rows:
        raise JpegError(f"the JPEG stream holds {samples.shape[0]} of {frame.rows} rows")
    return samples


def _rows_per_segment(frame: FrameHeader, scan: Scan) -> int:
    """Rows between restart markers (T.81 H.1.1: an interval is a whole number of rows)."""
    if not scan.restart_interval:
        return frame.rows
    rows, remainder = divmod(scan.restart_interval, frame.columns)
    if remainder or not rows:
        raise JpegError("the JPEG restart interval is not a whole number of rows")
    return rows


def _differences(segment: bytes, tables: Sequence[HuffmanTable], count: int) -> NDArray[np.uint16]:
    """The first `count` differences of an entropy-coded segment, modulo 65536 (T.81 H.1.2.2)."""
    octets = np.frombuffer(segment + b"\xff" * 8, np.uint8)
    same = all(table is tables[0] for table in tables)
    steps = [steps_of(table.code_lengths, table.symbols % 16) for table in (tables[:1] if same else tables)]
    result = np.empty(count, np.uint16)
    found = 0
    for positions in _code_positions(octets, 8 * len(segment), steps, count):
        for index, table in enumerate(tables[: len(steps)]):
            lane = slice((index - found) % len(steps), None, len(steps))
            result[found : found + len(positions)][lane] = _values(octets, positions[lane], table)
        found += len(positions)
    if found < count:
        raise JpegError(f"the JPEG stream is cut short: {found} of {count} samples")
    return result


def _code_positions(
    octets: NDArray[np.uint8], bits: int, steps: Sequence[NDArray[np.uint8]], count: int
) -> Iterator[NDArray[np.int64]]:
    """The bit at which each code begins, block by block; code i is of table i modulo the number of tables."""
    position, taken = 0, 0
    for first in range(0, bits // 8, BLOCK):
        last = min(first + BLOCK, bits // 8)
        windows = windows_between(octets, first, last)
        hops = [step[windows].tobytes() for step in steps]
        hops = hops[taken % len(hops) :] + hops[: taken % len(hops)]
        positions, position = _hop(hops, position - 8 * first, 8 * (last - first), count - taken)
        position += 8 * first
        taken += len(positions)
        yield np.array(positions, np.int64) + 8 * first
        if taken == count:
            return


def _hop(hops: Sequence[bytes], position: int, end: int, limit: int) -> tuple[list[int], int]:
    """Code beginnings from `position` up to `end` bits or `limit` codes, and where the next code begins."""
    positions: list[int] = []
    append = positions.append
    lengths = hops[0]
    if len(hops) == 1:
        for _ in range(limit):
            if position >= end:
                break
            append(position)
            position += lengths[position]
    else:
        for lengths in islice(cycle(hops), limit):
            if position >= end:
                break
            append(position)
            position += lengths[position]
    return positions, position


def _values(
    octets: NDArray[np.uint8], positions: NDArray[np.int64], table: HuffmanTable
) -> NDArray[np.uint16]:
    """Differences whose codes begin at `positions` (T.81 H.1.2.2)."""
    if bool((table.symbols > 16).any()):
        raise JpegError("a Huffman table of the JPEG stream has categories that lossless JPEG has not")
    values = values_at(octets, positions, table.code_lengths, table.symbols % 16)
    largest = table.symbols[windows_at(octets, positions)] == 16  # a difference of 32768 has no extra bits
    return np.where(largest, 32768, values).astype(np.uint16)


def _predict(differences: NDArray[np.uint16], scan: Scan, precision: int) -> NDArray[np.uint16]:
    """Samples of the differences of one restart interval (T.81 H.1.2.1), all components at once."""
    predictor, transform = scan.spectral_start, scan.approximation_low
    if not 1 <= predictor <= 7 or transform >= precision:
        raise JpegError(f"lossless JPEG has no predictor {predictor} with point transform {transform}")
    start = differences.copy()
    start[0, 0] += np.uint16(1 << (precision - transform - 1))
    if predictor == 1:
        start[:, 0] = np.cumsum(start[:, 0], axis=0, dtype=np.uint16)
        samples = np.cumsum(start, axis=1, dtype=np.uint16)
    elif predictor == 2:
        start[0] = np.cumsum(start[0], axis=0, dtype=np.uint16)
        samples = np.cumsum(start, axis=0, dtype=np.uint16)
    elif predictor == 4:
        samples = np.cumsum(np.cumsum(start, axis=1, dtype=np.uint16), axis=0, dtype=np.uint16)
    else:
        samples = _predict_by_row(start, predictor)
    return samples << np.uint16(transform)


def _predict_by_row(differences: NDArray[np.uint16], predictor: int) -> NDArray[np.uint16]:
    samples = np.empty_like(differences)
    samples[0] = np.cumsum(differences[0], axis=0, dtype=np.uint16)
    for row in range(1, len(differences)):
        above = samples[row - 1].astype(np.int64)
        own = differences[row].astype(np.int64)
        own[0] += above[0]
        if predictor == 3:
            own[1:] += above[:-1]
        elif predictor == 5:
            own[1:] += (above[1:] - above[:-1]) >> 1
            own = np.cumsum(own, axis=0)
        else:
            own = np.stack(
                [_predict_along(own[:, c], above[:, c], predictor) for c in range(own.shape[1])], 1
            )
        samples[row] = own & 0xFFFF
    return samples


def _predict_along(own: NDArray[np.int64], above: NDArray[np.int64], predictor: int) -> NDArray[np.int64]:
    """Predictors 6 and 7, which halve what they take from the left and so must go sample by sample."""
    upper = above.tolist()
    values = own.tolist()
    left = values[0] = values[0] & 0xFFFF
    for column in range(1, len(values)):
        if predictor == 6:
            guess = upper[column] + ((left - upper[column - 1]) >> 1)
        else:
            guess = (left + upper[column]) >> 1
        left = values[column] = (values[column] + guess) & 0xFFFF
    return np.array(values, np.int64)
