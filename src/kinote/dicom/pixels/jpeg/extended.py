"""JPEG of 8 and 12 bits, sequential DCT, Huffman coded (ITU-T T.81 Annexes A and F, processes 1, 2 and 4).

Here for 12 bits (1.2.840.10008.1.2.4.51), which no codec package of a permissive licence decodes.
"""

from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.pixels.jpeg.entropy import steps_of, values_at, windows_between
from kinote.dicom.pixels.jpeg.stream import FrameHeader, HuffmanTable, JpegError, JpegStream, Scan, parse

_SEQUENTIAL = (0, 1)  # SOF0, SOF1
#: Coded bytes of a restart interval; each takes 24 bytes of working memory.
_LARGEST_SEGMENT = 16 * 1024 * 1024
_STRIP = 4096

#: Place in the block, row by row, of the coefficients in the order they are coded (T.81 Figure A.6).
_ZIGZAG = np.array(
    sorted(range(64), key=lambda i: (i // 8 + i % 8, i % 8 if (i // 8 + i % 8) % 2 == 0 else i // 8)), np.intp
)


def _inverse_dct() -> NDArray[np.float64]:
    """From the 64 coefficients of a block to its 64 samples (T.81 A.3.3), as one matrix."""
    place, frequency = np.arange(8)[:, None], np.arange(8)[None, :]
    waves = np.cos((2 * place + 1) * frequency * np.pi / 16) / 2
    waves[:, 0] /= np.sqrt(2)
    return np.kron(waves, waves).T.astype(np.float64)


_INVERSE_DCT = _inverse_dct()


def decode(data: bytes, *, max_samples: int = 1 << 28) -> NDArray[np.uint16]:
    """Samples of a sequential JPEG image, (rows, columns) or (rows, columns, components), as they are coded.

    Raises `JpegError` where the stream is damaged, of another process or subsampled, or claims more than
    `max_samples` samples or more than its bytes can hold.
    """
    stream = parse(data)
    frame = stream.frame
    _check(stream, len(data), max_samples)
    samples = np.zeros((frame.rows, frame.columns, len(frame.components)), np.uint16)
    seen: set[int] = set()
    for scan in stream.scans:
        coefficients = _coefficients(frame, scan)
        for place, component in enumerate(scan.components):
            table = stream.quantisation.get(frame.components[component.index].quantisation)
            if table is None:
                raise JpegError("the JPEG stream does not define one of its quantisation tables")
            samples[..., component.index] = _samples(coefficients[:, place], table, frame)
            seen.add(component.index)
    if len(seen) != len(frame.components):
        raise JpegError("the JPEG stream does not hold all components of its frame header")
    return samples[..., 0] if len(frame.components) == 1 else samples


def _check(stream: JpegStream, size: int, max_samples: int) -> None:
    frame = stream.frame
    if frame.process not in _SEQUENTIAL or frame.precision not in (8, 12):
        raise JpegError(
            f"JPEG of process SOF{frame.process} with {frame.precision} bits is not sequential JPEG of 8 or 12"
        )
    interleaved = any(len(scan.components) > 1 for scan in stream.scans)
    if len(frame.components) > 1 and any((c.horizontal, c.vertical) != (1, 1) for c in frame.components):
        raise JpegError("12 bit JPEG with subsampled components is not supported")
    if interleaved and any(scan.spectral_end != 63 for scan in stream.scans):
        raise JpegError("the JPEG stream is not sequential")
    samples = frame.rows * frame.columns * len(frame.components)
    # The least a block of 64 samples takes is one bit for its DC and one for its end.
    if samples > max_samples or samples // 64 > 4 * size:
        raise JpegError(
            f"the JPEG header says {frame.columns} x {frame.rows} pixels, more than {size} bytes can hold"
        )


def _grid(frame: FrameHeader) -> tuple[int, int]:
    return -(-frame.rows // 8), -(-frame.columns // 8)


def _coefficients(frame: FrameHeader, scan: Scan) -> NDArray[np.int32]:
    """Quantised coefficients, (blocks, components of the scan, 64), in the order they are coded."""
    grid = _grid(frame)
    blocks = grid[0] * grid[1]
    result = np.zeros((blocks, len(scan.components), 64), np.int32)
    step = scan.restart_interval or blocks
    done = 0
    for segment in scan.segments:
        count = min(step, blocks - done)
        if not count:
            break
        _decode_segment(segment, scan, result[done : done + count])
        done += count
    if done < blocks:
        raise JpegError(f"the JPEG stream is cut short: {done} of {blocks} blocks")
    return result


def _decode_segment(segment: bytes, scan: Scan, result: NDArray[np.int32]) -> None:
    """Fill `result` with the coefficients of one restart interval."""
    if len(segment) > _LARGEST_SEGMENT:
        raise JpegError(f"the JPEG stream has more than {_LARGEST_SEGMENT} bytes without a restart")
    octets = np.frombuffer(segment + b"\xff" * 8, np.uint8)
    tables = []
    for component in scan.components:
        if component.dc_table is None or component.ac_table is None:
            raise JpegError("a JPEG scan uses a Huffman table that the stream does not define")
        tables.append((component.dc_table, component.ac_table))
    found = _hop(octets, len(segment), tables, len(result))
    flat = result.reshape(-1)
    for place, (dc_table, ac_table) in enumerate(tables):
        dc_positions, ac_positions, ac_places = found[place]
        differences = values_at(octets, dc_positions, dc_table.code_lengths, dc_table.symbols & np.uint8(15))
        result[:, place, 0] = np.cumsum(differences)
        flat[ac_places] = values_at(
            octets, ac_positions, ac_table.code_lengths, ac_table.symbols & np.uint8(15)
        )


def _hop(
    octets: NDArray[np.uint8], size: int, tables: list[tuple[HuffmanTable, HuffmanTable]], count: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """By component: where the DC codes and the AC codes begin, and which coefficients the AC codes are."""
    looked_up = [_looked_up(octets, size, *pair) for pair in tables]
    found: list[tuple[list[int], list[int], list[int]]] = [([], [], []) for _ in tables]
    position, block = 0, 0
    try:
        for _ in repeat(None, count):
            for (dc_hops, ac_hops, ac_symbols), (dc, ac, places) in zip(looked_up, found, strict=True):
                dc.append(position)
                position += dc_hops[position]
                place = block
                last = block + 63
                while place < last:
                    symbol = ac_symbols[position]
                    if not symbol:  # end of block
                        position += ac_hops[position]
                        break
                    place += (symbol >> 4) + 1
                    ac.append(position)
                    places.append(place)
                    position += ac_hops[position]
                if place > last:
                    raise JpegError("a block of the JPEG stream has more than 64 coefficients")
                block += 64
    except IndexError:
        raise JpegError(f"the JPEG stream is cut short: block {block // 64 + 1} is missing") from None
    return [
        (np.array(dc, np.int64), np.array(ac, np.int64), np.array(places, np.int64))
        for dc, ac, places in found
    ]


def _looked_up(
    octets: NDArray[np.uint8], size: int, dc_table: HuffmanTable, ac_table: HuffmanTable
) -> tuple[bytes, bytes, bytes]:
    """For each bit: how far a DC and an AC code from there reach, and the symbol of the AC code."""
    dc_steps = steps_of(dc_table.code_lengths, dc_table.symbols & np.uint8(15))
    ac_steps = steps_of(ac_table.code_lengths, ac_table.symbols & np.uint8(15))
    # Where no code begins the symbol is not 0, so that it is kept and noticed.
    symbols = np.where(ac_table.code_lengths > 0, ac_table.symbols, 1).astype(np.uint8)
    parts: tuple[list[bytes], list[bytes], list[bytes]] = ([], [], [])
    for first in range(0, size, 1 << 16):
        windows = windows_between(octets, first, min(first + (1 << 16), size))
        for part, table in zip(parts, (dc_steps, ac_steps, symbols), strict=True):
            part.append(table[windows].tobytes())
    return b"".join(parts[0]), b"".join(parts[1]), b"".join(parts[2])


def _samples(
    coefficients: NDArray[np.int32], quantisation: NDArray[np.int32], frame: FrameHeader
) -> NDArray[np.uint16]:
    """One component, from its blocks in the order they are coded."""
    down, across = _grid(frame)
    place = np.empty(64, np.intp)
    place[_ZIGZAG] = np.arange(64)
    blocks = np.empty((down * across, 64), np.uint16)
    largest = (1 << frame.precision) - 1
    for first in range(0, len(blocks), _STRIP):
        strip = (coefficients[first : first + _STRIP] * quantisation)[:, place].astype(np.float64)
        values = np.rint(strip @ _INVERSE_DCT) + (1 << frame.precision - 1)
        blocks[first : first + _STRIP] = np.clip(values, 0, largest)
    whole = blocks.reshape(down, across, 8, 8).swapaxes(1, 2).reshape(8 * down, 8 * across)
    return whole[: frame.rows, : frame.columns]
