"""The markers of a JPEG stream (ITU-T T.81 Annex B): tables, frame and scan headers, entropy-coded segments.

Read here only as far as Kinote decodes JPEG itself: the lossless and the 12 bit processes, for which there is
no codec package of a permissive licence. Nothing is allocated on the word of a header.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_SOI, _EOI, _SOS, _DHT, _DQT, _DRI = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB, 0xDD
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_RESTART_MARKERS = range(0xD0, 0xD8)


class JpegError(ValueError):
    """A JPEG stream that is damaged or of a kind not decoded here; the message says which."""


@dataclass(frozen=True, slots=True)
class HuffmanTable:
    """A Huffman table laid out for look-up by the next 16 bits (T.81 Annex C).

    `code_lengths` is 0 where no code begins with those bits.
    """

    code_lengths: NDArray[np.uint8]
    symbols: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Component:
    """One component of the frame header: its identifier, sampling factors and quantisation table."""

    identifier: int
    horizontal: int
    vertical: int
    quantisation: int


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """SOFn: the process (n), sample precision in bits, size in samples, components."""

    process: int
    precision: int
    rows: int
    columns: int
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class ScanComponent:
    """One component of a scan: its place in the frame header, DC (or lossless) table and AC table."""

    index: int
    dc_table: HuffmanTable | None
    ac_table: HuffmanTable | None


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan: what it codes, and its entropy-coded bytes, without byte stuffing, cut at the restart markers."""

    components: tuple[ScanComponent, ...]
    spectral_start: int
    spectral_end: int
    approximation_high: int
    approximation_low: int
    restart_interval: int
    segments: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class JpegStream:
    """All that a decoder needs of one JPEG image."""

    frame: FrameHeader
    scans: tuple[Scan, ...]
    quantisation: dict[int, NDArray[np.int32]]


@dataclass(slots=True)
class _Tables:
    huffman: dict[int, HuffmanTable] = field(default_factory=dict)
    quantisation: dict[int, NDArray[np.int32]] = field(default_factory=dict)
    restart_interval: int = 0


def parse(data: bytes) -> JpegStream:
    """Read the markers of one JPEG image; raises `JpegError` where the stream is damaged."""
    if data[:2] != b"\xff\xd8":
        raise JpegError("the JPEG stream does not begin with SOI (FF D8)")
    tables, frame, scans, position = _Tables(), None, [], 2
    while (found := _next_segment(data, position)) is not None:
        marker, body, position = found
        if marker in _FRAME_MARKERS:
            if frame is not None:
                raise JpegError("the JPEG stream has more than one frame header")
            frame = _frame_header(marker, body)
        elif marker == _DHT:
            _read_huffman_tables(body, tables)
        elif marker == _DQT:
            _read_quantisation_tables(body, tables)
        elif marker == _DRI:
            tables.restart_interval = int.from_bytes(body[:2], "big")
        elif marker == _SOS:
            if frame is None:
                raise JpegError("a JPEG scan comes before the frame header")
            segments, position = _entropy_coded(data, position)
            scans.append(_scan_header(body, frame, tables, segments))
    if frame is None or not scans:
        raise JpegError("the JPEG stream has no frame header or no scan")
    return JpegStream(frame, tuple(scans), tables.quantisation)


def _next_segment(data: bytes, position: int) -> tuple[int, bytes, int] | None:
    """Marker, body and end of the segment at `position`; None at EOI or at the end of the data."""
    while position < len(data) - 1:
        if data[position] != 0xFF:
            raise JpegError(f"no JPEG marker at byte {position}, where one must be")
        marker = data[position + 1]
        position += 1
        if marker == 0xFF:
            continue
        position += 1
        if marker == _EOI:
            return None
        if marker == _SOI or marker in _RESTART_MARKERS:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if length < 2 or position + length > len(data):
            raise JpegError(f"the JPEG segment at byte {position} is cut short")
        return marker, data[position + 2 : position + length], position + length
    return None


def _frame_header(marker: int, body: bytes) -> FrameHeader:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise JpegError("the JPEG frame header is cut short")
    components = tuple(
        Component(body[at], body[at + 1] >> 4, body[at + 1] & 15, body[at + 2])
        for at in range(6, 6 + 3 * body[5], 3)
    )
    rows, columns = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if not rows or not columns or not components:
        raise JpegError(
            f"the JPEG frame header says {columns} x {rows} samples, {len(components)} components"
        )
    if any(not 1 <= c.horizontal <= 4 or not 1 <= c.vertical <= 4 for c in components):
        raise JpegError("a sampling factor of the JPEG frame header is not between 1 and 4")
    return FrameHeader(marker - 0xC0, body[0], rows, columns, components)


def _scan_header(body: bytes, frame: FrameHeader, tables: _Tables, segments: tuple[bytes, ...]) -> Scan:
    count = body[0] if body else 0
    if not 1 <= count <= 4 or len(body) < 4 + 2 * count:
        raise JpegError("a JPEG scan header is cut short")
    places = {component.identifier: index for index, component in enumerate(frame.components)}
    components = []
    for at in range(1, 1 + 2 * count, 2):
        if body[at] not in places:
            raise JpegError(f"a JPEG scan names component {body[at]}, which the frame header has not")
        dc, ac = tables.huffman.get(body[at + 1] >> 4), tables.huffman.get(0x10 | body[at + 1] & 15)
        components.append(ScanComponent(places[body[at]], dc, ac))
    start, end, approximation = body[1 + 2 * count : 4 + 2 * count]
    return Scan(
        tuple(components),
        start,
        end,
        approximation >> 4,
        approximation & 15,
        tables.restart_interval,
        segments,
    )


def _read_huffman_tables(body: bytes, tables: _Tables) -> None:
    while body:
        if len(body) < 17 or len(body) < 17 + sum(body[1:17]):
            raise JpegError("a JPEG Huffman table is cut short")
        end = 17 + sum(body[1:17])
        tables.huffman[body[0]] = _huffman_table(body[1:17], body[17:end])
        body = body[end:]


def _huffman_table(counts: bytes, values: bytes) -> HuffmanTable:
    code_lengths, symbols = np.zeros(65536, np.uint8), np.zeros(65536, np.uint8)
    start, taken = 0, 0
    for length, count in enumerate(counts, start=1):
        width = 1 << (16 - length)
        if start + count * width > 65536:
            raise JpegError("a JPEG Huffman table has more codes than fit")
        code_lengths[start : start + count * width] = length
        symbols[start : start + count * width] = np.repeat(
            np.frombuffer(values[taken : taken + count], np.uint8), width
        )
        start, taken = start + count * width, taken + count
    return HuffmanTable(code_lengths, symbols)


def _read_quantisation_tables(body: bytes, tables: _Tables) -> None:
    while body:
        size = 128 if body[0] >> 4 else 64
        if len(body) < 1 + size:
            raise JpegError("a JPEG quantisation table is cut short")
        values = np.frombuffer(body[1 : 1 + size], ">u2" if size == 128 else "u1")
        tables.quantisation[body[0] & 15] = values.astype(np.int32)
        body = body[1 + size :]


def _entropy_coded(data: bytes, start: int) -> tuple[tuple[bytes, ...], int]:
    """The entropy-coded segments from `start` (T.81 B.1.1.5), and where the next marker stands."""
    octets = np.frombuffer(data, np.uint8, offset=start)
    places = np.flatnonzero(octets[:-1] == 0xFF)
    following = octets[places + 1]
    restart = (following >= 0xD0) & (following <= 0xD7)
    others = places[(following != 0) & (following != 0xFF) & ~restart]
    end = int(others[0]) if others.size else octets.size
    segments, begin = [], 0
    for place in [*places[restart & (places < end)].tolist(), end]:
        segments.append(data[start + begin : start + place].replace(b"\xff\x00", b"\xff"))
        begin = place + 2
    return tuple(segments), start + end
