"""The element walker: finds and checks the structure of a data set as its bytes arrive (PS3.5 section 7).

It stores little: the positions of the elements of the root, the ends of values whose length does not tell it, and
the positions of bulk values. Everything else can be read again from the kept bytes, which exclude bulk values. So a
header takes hardly more memory than its own size, whatever its nesting.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NoReturn

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import (
    BINARY_BYTES,
    LONG,
    NAMES,
    SEQUENCES,
    SHORT,
    implicit_vr,
)
from kinote.dicom.elements import encodings
from kinote.dicom.elements.bulk import BulkSpan
from kinote.dicom.elements.element_heads import ITEM_GROUP, UNDEFINED, Element, is_binary, is_long, odd_length
from kinote.dicom.elements.encodings import IMPLICIT_LITTLE, Encoding
from kinote.dicom.elements.errors import (
    DicomError,
    MalformedError,
    TagPath,
    TooDeepError,
    TooLargeError,
    TruncatedError,
)
from kinote.dicom.elements.item_shapes import NESTED, Shapes
from kinote.dicom.elements.limits import Limits
from kinote.dicom.elements.plain_elements import pass_explicit, pass_implicit

_ENDLESS = 1 << 62
_PIXELS = frozenset({tags.PIXEL_DATA, tags.FLOAT_PIXEL_DATA, tags.DOUBLE_FLOAT_PIXEL_DATA})
#: The memory for a bulk value, a fragment, and an end, in bytes.
_SPAN_COST, _FRAGMENT_COST, _END_COST = 400, 16, 64
#: Beside the bytes of an element of the root, which has a line of JSON of its own.
_ROOT_COST = 30


class Walk:
    """One walk over a data set, with what it has found so far.

    Call `take` with bytes in any portions, and at last `take(None)`.
    """

    def __init__(self, encoding: Encoding, limits: Limits) -> None:
        self.encoding = encoding
        self.limits = limits
        #: The elements of the root by tag.
        self.root: dict[int, Element] = {}
        #: The number of elements met in the root. It is larger than the size of `root` if tags are repeated.
        self.met = 0
        #: Where values end whose length does not tell it (behind their delimiter), by where they begin.
        self.ends: dict[int, int] = {}
        self.bulk: list[BulkSpan] = []
        #: The pixel data of the root (not of an icon), once the walk has reached it.
        self.pixels: BulkSpan | None = None
        #: Harmless deviations, each once.
        self.notes: dict[str, None] = {}
        #: The number of elements and items walked. Tests use it to measure that work is bounded.
        self.steps = 0
        #: The position of the walk, in bytes of the data set.
        self.offset = 0
        #: How many of the next bytes belong to a bulk value and are to be skipped.
        self.passing = 0
        #: The bytes kept so far, and what the positions of elements and bulk values take. A multiple of it is what is
        #: made of them (`kinote.memory.estimates`).
        self.cost = 0
        self._kept: list[bytes] = []
        self._path: list[int] = []
        self._going = self._go()
        next(self._going)

    @property
    def kept(self) -> bytes:
        """The bytes of the data set without its bulk values."""
        if len(self._kept) > 1:
            self._kept = [b"".join(self._kept)]
        return self._kept[0] if self._kept else b""

    def take(self, chunk: bytes | None) -> None:
        """Process the next bytes; None at the end. Raises a `DicomError` if they are not a data set."""
        try:
            self._going.send(chunk)
        except StopIteration:
            return

    def note(self, what: str) -> None:
        self.notes[what] = None

    def _go(self) -> Generator[None, bytes | None, None]:
        # One long loop on local names: it runs for every element of every object that is received.
        #
        # Where the walk is follows from `stack` and `span`. Each turn of the loop is one of these steps:
        #
        #                     a sequence                an item
        #     +----------+ --------------> +----------+ ---------> +----------+
        #     |   ROOT   |                 | SEQUENCE |            |   ITEM   |
        #     | stack: 0 | <-------------- |   odd    | <--------- |   even   |
        #     +----------+  its end (*)    +----------+  its end   +----------+
        #       |      ^                     ^ its end (*) | ^ a sequence |
        #       |      |                     +-------------+ +------------+
        #       |      |
        #       |      | sequence delimiter
        #       v      |
        #     +--------------+   PIXELS is entered from ITEM, too, and goes back to where it came from.
        #     |    PIXELS    |   (*) The end of a sequence leads to ROOT or to the ITEM that it lies in.
        #     | span is set  |
        #     +--------------+
        #
        #     ROOT, ITEM   plain elements: many in one step; any other element that is no sequence: one
        #                  a value to be left out (bulk): its bytes are passed over as they come
        #                  encapsulated pixel data: to PIXELS
        #                  zeros in ROOT, where an element is due: `_zeros`, until the bytes end
        #     SEQUENCE     items of a known shape: many in one step; any other: to ITEM
        #     PIXELS       one fragment, which is passed over
        #     any          the end is reached by length or by delimiter: back by one
        #                  fewer than `need` bytes are left: wait for more (`yield`), and on where it was;
        #                  None instead of bytes: `_end` decides whether the data set may end here
        #
        # Positions count from the beginning of `data`. Adding `origin` gives offsets in the data set, and adding
        # `shift` gives positions in the kept bytes, which lack the bulk values left out.
        data = b""
        size = pos = run = origin = shift = 0
        need = 8
        begun = False
        encoding = self.encoding
        explicit = encoding.explicit
        # The container the walk is in, sequence or item by turns; `end` is the nearest known one around it.
        end, defined, opened, left_out = _ENDLESS, True, 0, 0
        stack: list[tuple[int, bool, int, int, Encoding]] = []
        span: BulkSpan | None = None
        kept, ends, root, path, limits = self._kept, self.ends, self.root, self._path, self.limits
        deepest = 2 * limits.depth
        deepest_alike = deepest - 2 * NESTED
        watched = min(limits.bulk_binary, limits.bulk_text, UNDEFINED - 1)
        shapes = Shapes(watched, ends)
        steps = fragments = 0
        last_root: tuple[int, bytes, int, int] = (0, b"", 0, 0)
        while True:
            at = origin + pos
            if end - at < 8 and span is None:
                # Close the container.
                if at < end:
                    self._fail(MalformedError, f"{end - at} bytes are left over where an element is due", at)
                if not defined or left_out != origin - shift:
                    if not defined:
                        self.note("a sequence or item without length ends with what it lies in, undelimited")
                    ends[opened] = pos + shift
                end, defined, opened, left_out, outer = stack.pop()
                if outer is not encoding:
                    encoding, explicit = outer, outer.explicit
                if not len(stack) & 1:
                    del path[-2:]
                    if not stack:
                        tag, vr, before, start = last_root
                        root[tag] = (vr, before, start, pos + shift)
                        self.met += 1
                continue
            if size - pos >= need and span is None:
                if len(stack) & 1:
                    # In a sequence: an item or the end.
                    group, number, length = encoding.item.unpack_from(data, pos)
                    steps += 1
                    if group == ITEM_GROUP and number == 0xE000:
                        if len(stack) < deepest_alike:
                            bound = end - origin if end - origin < size else size
                            count, passed, made_of = shapes.pass_alike(
                                data, pos, length, bound, encoding, shift
                            )
                            if count:
                                path[-1] += count
                                pos += passed
                                steps += made_of - 1
                                continue
                        pos += 8
                        path[-1] += 1
                        stack.append((end, defined, opened, left_out, encoding))
                        if defined := length != UNDEFINED:
                            if at + 8 + length <= end:
                                end = at + 8 + length
                            elif len(path) == 2 and path[0] == tags.DIRECTORY_RECORD_SEQUENCE:
                                # Nothing comes after the records of a DICOMDIR that could be taken for them.
                                defined = False
                                self.note("a directory record is longer than what it lies in")
                            else:
                                self._fail(MalformedError, "An item is longer than what it lies in", at)
                        opened, left_out = pos + shift, origin - shift
                    elif group == ITEM_GROUP and number == 0xE0DD:
                        pos += 8
                        if defined:
                            self.note("a sequence with length is delimited nevertheless")
                        else:
                            ends[opened] = pos + shift
                            end, defined, opened, left_out, outer = stack.pop()
                            if outer is not encoding:
                                encoding, explicit = outer, outer.explicit
                            del path[-2:]
                            if not stack:
                                tag, vr, before, start = last_root
                                root[tag] = (vr, before, start, pos + shift)
                                self.met += 1
                    elif group == ITEM_GROUP and number == 0xE00D:
                        pos += 8
                        self.note("a delimiter of an item stands between items")
                    else:
                        self._fail(MalformedError, f"An item was due, not ({group:04X},{number:04X})", at)
                    continue
                # In the root or an item: plain elements as fast as can be.
                bound = end - origin
                if bound > size:
                    bound = size
                pos, count, inner = (pass_explicit if explicit else pass_implicit)(
                    data,
                    pos,
                    bound,
                    encoding,
                    watched,
                    shapes if len(stack) + 1 < deepest_alike else None,
                    None if stack else root,
                    shift,
                )
                steps += count + inner
                if not stack:
                    self.met += count
                if pos + 8 > bound:
                    continue
                # Whatever is not plain.
                at = origin + pos
                group, number, length = encoding.item.unpack_from(data, pos)
                tag = group << 16 | number
                self.steps = steps = steps + 1
                if steps > limits.elements or len(root) > limits.root_elements:
                    self._fail(TooLargeError, "The data set has more elements than Kinote reads", at)
                if group == ITEM_GROUP:
                    if length or number not in (0xE00D, 0xE0DD):
                        self._fail(
                            MalformedError, f"(FFFE,{number:04X}) stands where no delimiter may", at, tag
                        )
                    pos += 8
                    if number == 0xE0DD or not stack:
                        self.note("a delimiter stands where none belongs")
                    elif defined:
                        self.note("an item with length is delimited nevertheless")
                    else:
                        ends[opened] = pos + shift
                        end, defined, opened, left_out, outer = stack.pop()
                    continue
                if tag == 0 and not stack and not any(data[pos : pos + 8]):
                    # Zeros after the end (PS3.10 7.2 knows padding as an element only).
                    if any(data[pos:]):
                        self._fail(MalformedError, "Other bytes follow zeros after the last element", at)
                    self.note("zeros follow the last element")
                    kept.append(data[run:pos])
                    yield from self._zeros(at, steps, size - pos)
                    return
                header = 8
                if explicit:
                    vr = data[pos + 4 : pos + 6]
                    if vr in SHORT:
                        length = encoding.short.unpack_from(data, pos + 6)[0]
                    elif is_long(vr):
                        header = 12
                        if size - pos < 12:
                            need = 12
                            steps -= 1
                            continue
                        length = encoding.long.unpack_from(data, pos + 8)[0]
                        if vr not in LONG:
                            self.note("elements of unknown value representation")
                    else:
                        odd = odd_length(vr, encoding.short.unpack_from(data, pos + 6)[0], encoding)
                        if odd is None:
                            self._fail(MalformedError, f"There is no value representation {vr!r}", at, tag)
                        length = odd
                        vr = b""
                        self.note("elements without value representation in an explicit data set")
                else:
                    vr = b""
                start = pos + header
                if length == UNDEFINED:
                    if tag in _PIXELS:
                        kind = "pixels"
                    elif vr in (b"SQ", b"UN", b""):
                        kind = "sequence"
                    elif vr in BINARY_BYTES:
                        kind = "pixels"
                    else:
                        self._fail(
                            MalformedError,
                            f"A value of representation {NAMES.get(vr, vr)} has no length",
                            at,
                            tag,
                        )
                elif at + header + length > end:
                    self._fail(MalformedError, "An element is longer than what it lies in", at, tag)
                elif vr == b"SQ" or (not vr and not explicit and tag in SEQUENCES):
                    kind = "sequence"
                elif (tag in _PIXELS and length) or (
                    length > watched
                    and vr not in SHORT
                    and (length > limits.bulk_text or (length > limits.bulk_binary and is_binary(tag, vr)))
                ):
                    kind = "bulk"
                else:
                    kind = "value"
                if kind == "value":
                    stop = start + length
                    if stop > size:
                        need = stop - pos
                        steps -= 1
                        continue
                    if not stack:
                        root[tag] = (vr, pos + shift, start + shift, stop + shift)
                        self.met += 1
                    pos = stop
                    continue
                if not stack:
                    last_root = (tag, vr, pos + shift, start + shift)
                pos = start
                if kind == "sequence":
                    if len(stack) >= deepest:
                        self._fail(
                            TooDeepError, f"Sequences are nested deeper than {limits.depth} levels", at, tag
                        )
                    path += (tag, -1)
                    stack.append((end, defined, opened, left_out, encoding))
                    if defined := length != UNDEFINED:
                        end = origin + start + length
                    opened, left_out = start + shift, origin - shift
                    if vr == b"UN":
                        # PS3.5 6.2.2: the content of UN with undefined length is implicit little endian.
                        encoding, explicit = IMPLICIT_LITTLE, False
                    continue
                # Bulk: leave it out of the kept bytes.
                kept.append(data[run:start])
                ends[start + shift] = start + shift
                name = NAMES.get(vr) or implicit_vr(tag)
                if length == UNDEFINED:
                    found_span = BulkSpan((*path, tag), name, origin + start, -1)
                    span = found_span
                    path.append(tag)
                else:
                    found_span = BulkSpan((*path, tag), name, origin + start, length)
                    pos += length
                    shift -= length
                run = pos
                self.bulk.append(found_span)
                if len(self.bulk) * _SPAN_COST > limits.header_bytes:
                    self._fail(TooLargeError, "The data set has more bulk values than Kinote notes", at)
                if not stack:
                    root[tag] = (vr, last_root[2], last_root[3], last_root[3])
                    self.met += 1
                    if tag in _PIXELS:
                        self.pixels = found_span
                continue
            if span is not None and size - pos >= need:
                # Fragments of encapsulated pixel data.
                group, number, length = encoding.item.unpack_from(data, pos)
                steps += 1
                if group != ITEM_GROUP or number not in (0xE000, 0xE0DD) or length == UNDEFINED:
                    self._fail(MalformedError, "A fragment of pixel data was due", at)
                if number == 0xE0DD:
                    length = 0
                    span = None
                    del path[-1]
                else:
                    span.fragments.extend((at + 8, length))
                    fragments += 1
                    if fragments * _FRAGMENT_COST > limits.header_bytes:
                        self._fail(TooLargeError, "The pixel data has more fragments than Kinote notes", at)
                if at + 8 + length > end:
                    self._fail(MalformedError, "A fragment of pixel data is longer than what it lies in", at)
                pos += 8 + length
                shift -= 8 + length
                run = pos
                continue
            # More bytes are needed. Whoever looks at the walk meanwhile finds all that was passed.
            if end - at < need and span is None:
                self._fail(MalformedError, "An element is longer than what it lies in", at)
            if pos > run:
                kept.append(data[run:pos] if run or pos < size else data)
            cost = (
                pos + shift + _SPAN_COST * len(self.bulk) + _FRAGMENT_COST * fragments + _END_COST * len(ends)
            )
            self.cost = cost + _ROOT_COST * len(root)
            if cost + need > limits.header_bytes:
                self._fail(TooLargeError, "The header is larger than Kinote keeps", at)
            if steps > limits.elements or len(root) > limits.root_elements:
                self._fail(TooLargeError, "The data set has more elements than Kinote reads", at)
            rest = data[pos:] if pos < size else b""
            self.passing = max(0, pos - size)
            origin, shift, pos, run, have = at, shift + pos, 0, 0, len(rest)
            self.steps, self.offset = steps, at
            parts = [rest] if rest else []
            data = b""
            chunk: bytes | None = b""
            while have < need:
                chunk = yield
                if chunk is None:
                    break
                parts.append(chunk)
                have += len(chunk)
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            size = have
            if chunk is None:
                self._end(data, at, inside=bool(stack) or span is not None)
                return
            need = 8
            if not begun:
                begun = True
                found = encodings.actual(data, encoding)
                if found is not encoding:
                    self.note(f"declared as {encoding.name}, encoded as {found.name}")
                    self.encoding = encoding = found
                    explicit = found.explicit

    def _zeros(self, at: int, steps: int, count: int) -> Generator[None, bytes | None, None]:
        self.steps, self.offset = steps, at + count
        while (chunk := (yield)) is not None:
            if any(chunk):
                self._fail(MalformedError, "Other bytes follow zeros after the last element", self.offset)
            self.offset += len(chunk)

    def _end(self, left: bytes, at: int, *, inside: bool) -> None:
        """Decide at the end of the bytes whether the data set may end here."""
        if self.passing:
            missing = self.passing
            self._fail(
                TruncatedError, f"The data set ends {missing} bytes before its last value does", at - missing
            )
        if inside:
            self._fail(TruncatedError, "The data set ends within a sequence that is not closed", at)
        if any(left) or len(left) >= 8:
            self._fail(TruncatedError, "The data set ends in the middle of an element", at)
        if left:
            self.note("zeros follow the last element")

    def _fail(self, error: type[DicomError], what: str, at: int, tag: int | None = None) -> NoReturn:
        path: TagPath = tuple(self._path)
        if path and path[-1] == -1:
            path = path[:-1]
        raise error(what, at, path if tag is None else (*path, tag))
