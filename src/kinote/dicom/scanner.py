"""The element walker: reads the structure of a data set as its bytes arrive (PS3.5 section 7).

One walker serves headers, KOS and everything else that is scanned. It takes bytes in any portions, keeps
the header, lets bulk values pass, and checks that every length ends where its parent ends. It is
iterative and bounded: depth, elements, header bytes and inflation have limits, so no input costs more
than its own length in steps or more than the limits in memory.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from dataclasses import dataclass, field
from functools import lru_cache

from pydicom.datadict import dictionary_VR

from kinote.dicom import tags
from kinote.dicom.errors import DicomError, MalformedError, TooDeepError, TooLargeError, TruncatedError
from kinote.dicom.transfer_syntaxes import TransferSyntax, lookup

_UNDEFINED = 0xFFFFFFFF

#: Value representations by number: a token keeps two bytes of letters as one integer.
_BULK = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_LONG = frozenset({*_BULK, "SQ", "UC", "UR", "UT", "SV", "UV"})
_SHORT = frozenset(
    "AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split()  # noqa: SIM905
)
_VRS = {name.encode(): name for name in _SHORT | _LONG}
_PIXELS = frozenset({tags.PIXEL_DATA, tags.FLOAT_PIXEL_DATA, tags.DOUBLE_FLOAT_PIXEL_DATA})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a data set may cost."""

    depth: int = 100
    elements: int = 4_000_000
    header_bytes: int = 96 * 1024 * 1024
    #: Binary values beyond this are bulk, as is any value beyond `bulk_text`, in bytes.
    bulk_binary: int = 1024
    bulk_text: int = 64 * 1024
    #: Inflated bytes beyond this must not exceed `inflation_ratio` times the deflated ones.
    inflated_bytes: int = 64 * 1024 * 1024
    inflation_ratio: int = 200


DEFAULT_LIMITS = Limits()
#: For a data set that is wanted whole in memory, values and all.
KEEP_ALL = Limits(bulk_binary=1 << 62, bulk_text=1 << 62)


@dataclass(slots=True)
class BulkSpan:
    """A value that was let pass: where it lies in the data set, in bytes.

    For encapsulated pixel data `length` is -1 and `fragments` holds offset and length of each fragment,
    the Basic Offset Table being the first.
    """

    token: int
    offset: int
    length: int
    fragments: array[int] = field(default_factory=lambda: array("Q"))


class Tokens:
    """The elements of a data set in order, as columns of numbers.

    `end` is where the value ends in the kept bytes, `after` the first token that is no part of this one,
    so that whoever reads one level skips what is nested in one step. Items are tokens as well.
    """

    __slots__ = ("after", "end", "explicit", "start", "tag", "vr")

    def __init__(self) -> None:
        self.tag = array("I")
        self.vr: list[str] = []
        self.start = array("Q")
        self.end = array("Q")
        self.after = array("I")
        self.explicit = True


class _Open:
    """A sequence, item or row of fragments that has begun and not ended."""

    __slots__ = ("bulk", "end", "explicit", "is_sequence", "token")

    def __init__(
        self, token: int, end: int, is_sequence: bool, explicit: bool, bulk: BulkSpan | None
    ) -> None:
        self.token = token
        self.end = end
        self.is_sequence = is_sequence
        self.explicit = explicit
        self.bulk = bulk


class DataSetScanner:
    """Walks one data set. `feed` it all bytes, then `finish`; errors say where in the data set."""

    def __init__(self, transfer_syntax_uid: str, limits: Limits = DEFAULT_LIMITS) -> None:
        self.transfer_syntax: TransferSyntax = lookup(transfer_syntax_uid)
        self.limits = limits
        self.tokens = Tokens()
        self.kept: bytearray | bytes = bytearray()
        self.bulk: list[BulkSpan] = []
        #: The pixel data of the data set itself (not of an icon in it), as soon as the walk has come to it.
        self.pixels: BulkSpan | None = None
        #: How many elements and items were walked: what bounded work is measured by in tests.
        self.steps = 0
        self._position = 0
        self._removed = 0
        self._skip = 0
        self._padding = False
        self._stack: list[_Open] = []
        order = "<" if self.transfer_syntax.little_endian else ">"
        self._head = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "I")
        self._inflate = zlib.decompressobj(-15) if self.transfer_syntax.deflated else None
        self._deflated = 0
        self._inflated = 0

    @property
    def offset(self) -> int:
        """How far the walk has come, in bytes of the (inflated) data set."""
        return self._position + self._removed

    @property
    def has_padding(self) -> bool:
        """Whether zeros follow the last element."""
        return self._padding

    @property
    def passing(self) -> int:
        """How many bytes are still to come of the value that is being let pass."""
        return self._skip

    def jump(self, count: int) -> None:
        """Instead of being fed, `count` of the bytes that are let pass were jumped over in the file."""
        if self._inflate is not None or not 0 <= count <= self._skip:
            raise ValueError(f"{count} bytes cannot be jumped over, only {self._skip} are let pass")
        self._skip -= count
        self._removed += count

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        if self._inflate is None:
            self._take(chunk)
            return
        self._deflated += len(chunk)
        pending = bytes(chunk)
        while pending and not self._inflate.eof:
            try:
                plain = self._inflate.decompress(pending, 1 << 18)
            except zlib.error as error:
                raise MalformedError(
                    f"The deflated data set cannot be inflated: {error}", self.offset
                ) from error
            self._inflated += len(plain)
            if self._inflated > max(self.limits.inflated_bytes, self._deflated * self.limits.inflation_ratio):
                raise TooLargeError("The deflated data set inflates beyond all measure", self.offset)
            self._take(plain)
            pending = self._inflate.unconsumed_tail

    def take_whole(self, data: bytes) -> None:
        """All bytes of a data set that is in memory anyway, instead of `feed`; they are not copied."""
        if self._inflate is not None:
            self.feed(data)
            return
        self.kept = data
        self._walk()

    def finish(self) -> None:
        """No more bytes come: raises `TruncatedError` where some were still due."""
        if self._inflate is not None and not self._inflate.eof:
            raise TruncatedError("The deflated data set ends before its end", self.offset)
        self._close_ended()
        left = len(self.kept) - self._position
        if left and not self._padding:
            if any(self.kept[self._position :]):
                raise TruncatedError("The data set ends in the middle of an element", self.offset)
            self._padding = True
        if self._skip:
            raise TruncatedError(
                f"The data set ends {self._skip} bytes before its last value does", self.offset
            )
        if self._stack:
            tag = self.tokens.tag[self._stack[-1].token]
            raise TruncatedError(
                f"The data set ends within ({tag >> 16:04X},{tag & 0xFFFF:04X}), which is not closed",
                self.offset,
            )

    def _take(self, chunk: bytes | bytearray | memoryview) -> None:
        view = memoryview(chunk)
        if self._skip:
            passed = min(self._skip, len(view))
            self._skip -= passed
            self._removed += passed
            view = view[passed:]
        if view:
            assert isinstance(self.kept, bytearray)
            self.kept += view
            self._walk()
            if len(self.kept) > self.limits.header_bytes:
                raise TooLargeError("The header is larger than Kinote keeps", self.offset)

    def _walk(self) -> None:
        """Go as far as the bytes at hand allow."""
        kept = self.kept
        while not self._padding:
            self._close_ended()
            available = len(kept) - self._position
            if available < 8:
                return
            before = self._position
            group, element = self._head.unpack_from(kept, before)
            tag = group << 16 | element
            if tag >> 16 == 0xFFFE:
                consumed = self._delimiter(tag)
            elif self._stack and self._stack[-1].is_sequence:
                raise MalformedError(f"An item was due, not ({group:04X},{element:04X})", self.offset)
            elif tag == 0 and not self._stack and self._only_zeros():
                self._padding = True
                return
            else:
                consumed = self._element(tag, available)
            if not consumed:
                return
            self.steps += 1
            if self.steps > self.limits.elements:
                raise TooLargeError("The data set has more elements than Kinote reads", self.offset)
            if self._skip:
                # The value lies beyond what has come: what follows it is not here yet.
                return

    def _only_zeros(self) -> bool:
        return not any(self.kept[self._position :])

    def _element(self, tag: int, available: int) -> bool:
        kept, at = self.kept, self._position
        explicit = self._stack[-1].explicit if self._stack else self.transfer_syntax.explicit
        if explicit:
            vr = _VRS.get(bytes(kept[at + 4 : at + 6]))
            if vr is None:
                raise MalformedError(
                    f"({tag >> 16:04X},{tag & 0xFFFF:04X}) has no value representation but "
                    f"{bytes(kept[at + 4 : at + 6])!r}",
                    self.offset,
                )
            if vr in _LONG:
                if available < 12:
                    return False
                length, header = self._long.unpack_from(kept, at + 8)[0], 12
            else:
                length, header = self._short.unpack_from(kept, at + 6)[0], 8
        else:
            vr = implicit_vr(tag)
            length, header = self._long.unpack_from(kept, at + 4)[0], 8
        if length == _UNDEFINED:
            return self._undefined_length(tag, vr, header, explicit)
        if vr == "SQ":
            self._check_end(tag, header + length)
            self._advance(header)
            self._open(tag, vr, self.offset + length, is_sequence=True, explicit=explicit)
            return True
        self._check_end(tag, header + length)
        if tag in _PIXELS or (
            length > self.limits.bulk_binary and (vr in _BULK or length > self.limits.bulk_text)
        ):
            self._pass_bulk(tag, vr, header, length)
            return True
        if available < header + length:
            if at + header + length > self.limits.header_bytes:
                raise TooLargeError("The header is larger than Kinote keeps", self.offset)
            return False
        self._advance(header + length)
        self._token(tag, vr, at + header, at + header + length)
        return True

    def _undefined_length(self, tag: int, vr: str, header: int, explicit: bool) -> bool:
        if tag in _PIXELS and vr in _BULK:
            self._advance(header)
            span = BulkSpan(len(self.tokens.tag), self.offset, -1)
            self.bulk.append(span)
            self._note_pixels(tag, span)
            self._open(tag, vr, -1, is_sequence=True, explicit=explicit, bulk=span)
            return True
        if vr not in ("SQ", "UN"):
            raise MalformedError(
                f"({tag >> 16:04X},{tag & 0xFFFF:04X}) of representation {vr} has no length", self.offset
            )
        self._advance(header)
        # PS3.5 6.2.2: the content of UN with undefined length is encoded implicitly.
        self._open(tag, "SQ", -1, is_sequence=True, explicit=explicit and vr == "SQ")
        return True

    def _delimiter(self, tag: int) -> bool:
        length = self._long.unpack_from(self.kept, self._position + 4)[0]
        top = self._stack[-1] if self._stack else None
        if tag == tags.ITEM and top is not None and top.is_sequence:
            return self._item(top, length)
        if tag == tags.ITEM_DELIMITATION_ITEM and top is not None and not top.is_sequence:
            if top.end >= 0 and top.end != self.offset + 8:
                raise MalformedError("An item of defined length is delimited elsewhere", self.offset)
            self._close()
            self._advance(8)
            return True
        if tag == tags.SEQUENCE_DELIMITATION_ITEM and top is not None and top.is_sequence:
            if top.end >= 0 and top.end != self.offset + 8:
                raise MalformedError("A sequence of defined length is delimited elsewhere", self.offset)
            self._close()
            self._advance(8)
            return True
        raise MalformedError(
            f"({tag >> 16:04X},{tag & 0xFFFF:04X}) stands where no delimiter may", self.offset
        )

    def _item(self, sequence: _Open, length: int) -> bool:
        if sequence.bulk is not None:
            if length == _UNDEFINED:
                raise MalformedError("A fragment of pixel data has no length", self.offset)
            self._advance(8)
            sequence.bulk.fragments.extend((self.offset, length))
            self._drop(length)
            return True
        if length != _UNDEFINED:
            self._check_end(tags.ITEM, 8 + length)
        self._advance(8)
        end = -1 if length == _UNDEFINED else self.offset + length
        self._open(tags.ITEM, "", end, is_sequence=False, explicit=sequence.explicit)
        return True

    def _check_end(self, tag: int, size: int) -> None:
        for parent in reversed(self._stack):
            if parent.end >= 0:
                if self.offset + size > parent.end:
                    raise MalformedError(
                        f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is longer than what it lies in", self.offset
                    )
                return

    def _pass_bulk(self, tag: int, vr: str, header: int, length: int) -> None:
        self._advance(header)
        span = BulkSpan(len(self.tokens.tag), self.offset, length)
        self.bulk.append(span)
        self._note_pixels(tag, span)
        self._token(tag, vr, self._position, self._position)
        self._drop(length)

    def _note_pixels(self, tag: int, span: BulkSpan) -> None:
        if tag in _PIXELS and not self._stack:
            self.pixels = span

    def _drop(self, length: int) -> None:
        """Let a value pass: forget what of it is here, skip what is still to come."""
        here = min(length, len(self.kept) - self._position)
        if isinstance(self.kept, bytes):
            self._position += here
        else:
            del self.kept[self._position : self._position + here]
            self._removed += here
        self._skip = length - here

    def _open(
        self, tag: int, vr: str, end: int, *, is_sequence: bool, explicit: bool, bulk: BulkSpan | None = None
    ) -> None:
        if len(self._stack) >= 2 * self.limits.depth:
            raise TooDeepError(f"Sequences are nested deeper than {self.limits.depth} levels", self.offset)
        self._stack.append(_Open(len(self.tokens.tag), end, is_sequence, explicit, bulk))
        self._token(tag, vr, self._position, self._position)

    def _close_ended(self) -> None:
        while self._stack and 0 <= self._stack[-1].end <= self.offset:
            if self._stack[-1].end < self.offset:
                raise MalformedError("An element is longer than the sequence or item it lies in", self.offset)
            self._close()

    def _close(self) -> None:
        closed = self._stack.pop()
        self.tokens.end[closed.token] = self._position
        self.tokens.after[closed.token] = len(self.tokens.tag)

    def _token(self, tag: int, vr: str, start: int, end: int) -> None:
        columns = self.tokens
        columns.tag.append(tag)
        columns.vr.append(vr)
        columns.start.append(start)
        columns.end.append(end)
        columns.after.append(len(columns.tag))

    def _advance(self, count: int) -> None:
        self._position += count


@lru_cache(maxsize=8192)
def implicit_vr(tag: int) -> str:
    """The representation the dictionary has for a tag (PS3.6), UN if it has none."""
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
        return "LO"
    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return "UN"


__all__ = ["DEFAULT_LIMITS", "KEEP_ALL", "BulkSpan", "DataSetScanner", "DicomError", "Limits", "Tokens"]
