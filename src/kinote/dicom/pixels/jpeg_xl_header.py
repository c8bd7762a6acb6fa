"""The header of a JPEG XL codestream (ISO/IEC 18181-1 Annex D): its size, components and precision."""

from collections.abc import Sequence

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"

#: The first bytes of a bare codestream, and of one in a container of boxes.
BEGINNINGS = (_CODESTREAM, _CONTAINER)

#: Without extra channels, the header lies within this many bytes. Later bits are not looked at.
_LONGEST = 64

#: Widths of a size in bits, and the aspect ratios that can be chosen (D.2).
_SIZE_BITS = (9, 13, 18, 30)
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class _Bits:
    """Reads bits, from the lowest bit of the first byte on."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data[:_LONGEST], "little")
        self._left = 8 * min(len(data), _LONGEST)

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError("The header is cut short")
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        self._left -= count
        return value

    def choice(self, options: Sequence[tuple[int, int]]) -> int:
        """Read one of four options: a value, and how many further bits are added to it (B.2.2)."""
        base, bits = options[self.take(2)]
        return base + self.take(bits)


def read(data: bytes) -> tuple[int, int, int, int] | None:
    """Return rows, columns, components and bits per component.

    Returns None for what no DICOM frame has: a preview, an animation, extra channels, floating point samples, or boxes
    before the codestream without a length. Raises `IndexError` if the header is truncated.
    """
    begins = _begins(data)
    if begins is None:
        return None
    bits = _Bits(data[begins + 2 : begins + 2 + _LONGEST])
    rows, columns = _size(bits)
    if bits.take(1):
        return rows, columns, 3, 8  # all other metadata has its default: 8 bits, sRGB
    if bits.take(1):
        bits.take(3)  # the orientation
        if bits.take(1):
            _size(bits)
        if bits.take(1) or bits.take(1):
            return None
    if bits.take(1):
        return None
    precision = bits.choice(((8, 0), (10, 0), (12, 0), (1, 6)))
    bits.take(1)  # whether 16 bit buffers are enough
    if bits.choice(((0, 0), (1, 0), (2, 4), (1, 12))):
        return None
    bits.take(1)  # whether colours are XYB
    if bits.take(1):
        return rows, columns, 3, precision
    bits.take(1)  # whether there is an ICC profile
    is_grey = bits.choice(((0, 0), (1, 0), (2, 4), (18, 6))) == 1
    return rows, columns, 1 if is_grey else 3, precision


def _size(bits: _Bits) -> tuple[int, int]:
    """Read a size header, or an intrinsic size (D.2): rows and columns."""
    is_small = bits.take(1)

    def side() -> int:
        return (bits.take(5) + 1) * 8 if is_small else bits.take(_SIZE_BITS[bits.take(2)]) + 1

    rows = side()
    ratio = bits.take(3)
    if not ratio:
        return rows, side()
    width, height = _RATIOS[ratio - 1]
    return rows, rows * width // height


def _begins(data: bytes) -> int | None:
    """Return where the codestream begins: in a container, in its first box `jxlc` or `jxlp` (ISO/IEC 18181-2)."""
    if data.startswith(_CODESTREAM):
        return 0
    at = 0
    for _ in range(16):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind in (b"jxlc", b"jxlp"):
            begins = at + (12 if kind == b"jxlp" else 8)
            return begins if data[begins : begins + 2] == _CODESTREAM else None
        if length < 8:
            return None
        at += length
    return None
