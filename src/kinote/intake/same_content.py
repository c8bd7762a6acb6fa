"""Whether an object and the first copy under its UID are the same, element for element, in other encodings.

Both are walked in bounded memory, and outside of any transaction. The verdict is bound to the digest of the first
copy, so that the transaction that uses it can see that nothing has changed meanwhile.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, cast

import numpy as np
from pydicom.datadict import keyword_for_tag
from sqlalchemy import bindparam, select

from kinote.catalog.columns.attributes import CORRECTABLE
from kinote.catalog.schema.tables import instance
from kinote.catalog.sql.statements import FindOne
from kinote.catalog.transactions.catalog import Catalog
from kinote.decoding.frame_decoder import can_decode, decode_frame
from kinote.decoding.frame_memory import frame_cost, frame_memory
from kinote.dicom.comparing.content import NotComparableError, difference, differing
from kinote.dicom.comparing.opened import TO_COMPARE, OpenedDataSet
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, TransferSyntax
from kinote.dicom.elements.dataset import DataSet as HeaderDataSet
from kinote.dicom.elements.errors import DicomError, TooLargeError
from kinote.dicom.elements.limits import Limits
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.files.piecewise_file import PiecewiseFile
from kinote.dicom.json.from_elements import selection_json
from kinote.dicom.pixels.codestreams import described
from kinote.dicom.pixels.frames import Frames
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.stored_words import stored_words
from kinote.holdings.unavailable import BytesUnavailableError, NotLiveError
from kinote.intake.arrival import Arrival
from kinote.intake.verdict import Proposed, Verdict
from kinote.storage.store import StorageError

_WITH_LOSS = "is compressed with loss in one of them, and otherwise in the other"

#: Opens the bytes of the current instance under a UID, by key and UID, whatever its standing. Raises
#: `BytesUnavailableError`.
OpenCopy = Callable[[int, str], DataSet]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a comparison may cost: bytes of either data set, bytes of all pixels once decoded, and its head."""

    bytes: int
    pixels: int
    limits: Limits
    #: What is said where it does not suffice.
    exceeded: str


#: While a sender waits.
AT_ONCE = Budget(
    64 << 20,
    64 << 20,
    replace(TO_COMPARE, header_bytes=8 << 20, elements=100_000),
    "it is too large to be compared on arrival, and is compared in the background",
)

#: In the background. Frames are decoded one by one, so this bounds time, not memory.
IN_BACKGROUND = Budget(1 << 40, 16 << 30, TO_COMPARE, "it is too large to be compared")

#: Characters of a value that are kept of a proposal.
_LONGEST = 1000

_JPEG = "1.2.840.10008.1.2.4."

#: Syntaxes whose frames are what was compressed, word for word (PS3.5 8.2): RLE, and lossless JPEG, JPEG-LS, JPEG 2000,
#: HTJ2K and JPEG XL.
_LOSSLESS = {
    "1.2.840.10008.1.2.5",
    # Encapsulated Uncompressed, and Deflated Image Frame Compression.
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.8.1",
    *(_JPEG + last for last in ("57", "70", "80", "90", "92", "201", "202", "110")),
}


#: Syntaxes whose frames may be reversible or not, as each codestream says: JPEG-LS near-lossless, JPEG 2000 and HTJ2K.
#: JPEG XL is not among them: its header does not say whether the encoder quantized.
_REVERSIBLE_OR_NOT = {_JPEG + last for last in ("81", "91", "203")}


class OverBudgetError(Exception):
    """A comparison would cost more than its budget."""


_FIRST = FindOne(
    select(instance.c.id, instance.c.digest, instance.c.transfer_syntax_uid, instance.c.size).where(
        instance.c.sop_instance_uid == bindparam("uid"), instance.c.is_current
    )
)


def compare_arrival(catalog: Catalog, open_copy: OpenCopy, arrival: Arrival) -> Verdict | None:
    """Compare an arrival with the current instance under its UID; None if there is none by now."""
    row = arrival.entry.instance_row
    return compare_with_first(
        catalog,
        open_copy,
        arrival.entry.sop_instance_uid,
        lambda: _bytes_of(arrival, row["size"]),
        arrival.entry.transfer_syntax_uid,
        row["size"],
        AT_ONCE,
    )


def compare_with_first(
    catalog: Catalog,
    open_copy: OpenCopy,
    uid: str,
    open_other: Callable[[], DataSet],
    transfer_syntax_uid: str,
    size: int,
    budget: Budget,
) -> Verdict | None:
    """Compare a data set with the current instance under its UID; None if there is none."""
    found = catalog.find_latest(_FIRST, uid=uid)
    if found is None:
        return None
    first, digest, first_syntax, first_size = found
    if max(size, first_size or 0) > budget.bytes:
        return Verdict(first, digest, budget.exceeded, is_compared=False, is_open=budget is AT_ONCE)
    try:
        said, proposes = _compared(
            open_copy, first, uid, first_syntax, open_other, transfer_syntax_uid, budget
        )
    except (OverBudgetError, TooLargeError):
        return Verdict(first, digest, budget.exceeded, is_compared=False, is_open=budget is AT_ONCE)
    except NotLiveError:
        # It has been withdrawn, purged or replaced meanwhile.
        return None
    except BytesUnavailableError as error:
        return Verdict(first, digest, f"the first copy cannot be read ({_clause(error)})", is_compared=False)
    except (NotComparableError, DicomError, PictureError, StorageError, OSError) as error:
        return Verdict(first, digest, f"they cannot be compared ({_clause(error)})", is_compared=False)
    return Verdict(first, digest, said, proposes=proposes)


def _compared(
    open_copy: OpenCopy,
    first: int,
    uid: str,
    first_syntax: str,
    open_other: Callable[[], DataSet],
    syntax: str,
    budget: Budget,
) -> tuple[str, tuple[Proposed, ...]]:
    with ExitStack() as closing:
        stored = open_copy(first, uid)
        closing.callback(stored.file.close)
        one = OpenedDataSet(stored, first_syntax, budget.limits)
        closing.callback(one.close)
        brought = open_other()
        closing.callback(brought.file.close)
        other = OpenedDataSet(brought, syntax, budget.limits)
        closing.callback(other.close)
        pixels = partial(pixels_differ, budget)
        said = difference(one, other, pixels)
        tags = differing(one, other, CORRECTABLE) if said else []
        if not tags or difference(one, other, pixels, CORRECTABLE):
            return said, ()
        return said, tuple(
            Proposed(keyword_for_tag(tag), _shown(one.root, tag), _shown(other.root, tag)) for tag in tags
        )


def _shown(root: HeaderDataSet, tag: int) -> str:
    """Return a value for people: as text, or a sequence as DICOM JSON."""
    text = selection_json(root, [tag]) if root.vr(tag) == "SQ" else root.text(tag) or ""
    return text[:_LONGEST]


def pixels_differ(budget: Budget, one: OpenedDataSet, other: OpenedDataSet) -> str:
    """Say where pixels differ of which one at least is encapsulated; "" if all words are the same."""
    ours, theirs = _frames(one), _frames(other)
    if ours.count != theirs.count:
        return "has more frames in one of them"
    is_alike = ours.transfer_syntax == theirs.transfer_syntax
    if not is_alike and not (_may_be_exact(one.transfer_syntax) and _may_be_exact(other.transfer_syntax)):
        return _WITH_LOSS
    form = ours.format
    size = ours.count * form.rows * form.columns * form.samples * form.bits_allocated // 8
    if not is_alike and size > budget.pixels:
        raise OverBudgetError
    for number in range(1, ours.count + 1):
        if is_alike and _without_padding(ours.read(number)) == _without_padding(theirs.read(number)):
            continue
        is_exact = _is_exact_frame(ours, number) and _is_exact_frame(theirs, number)
        if not is_alike and not is_exact:
            return _WITH_LOSS
        if not is_exact or not can_decode(one.transfer_syntax):
            return f"has another codestream for frame {number}"
        if size > budget.pixels:
            raise OverBudgetError
        if not _is_same_frame(ours, theirs, number):
            return f"differs in frame {number}"
    return ""


def _is_same_frame(ours: Frames, theirs: Frames, number: int) -> bool:
    with frame_memory(ours, number, frame_cost(theirs, number)):
        one, other = decode_frame(ours, number), decode_frame(theirs, number)
        return one.photometric == other.photometric and np.array_equal(
            stored_words(one, ours.format), stored_words(other, theirs.format)
        )


def _frames(opened: OpenedDataSet) -> Frames:
    opened.file.seek(opened.base)
    # What was deflated has been inflated.
    is_deflated = opened.transfer_syntax.deflated
    return Frames(opened.file, EXPLICIT_VR_LITTLE_ENDIAN if is_deflated else opened.transfer_syntax.uid)


def _is_exact(syntax: TransferSyntax) -> bool:
    return not syntax.encapsulated or syntax.uid in _LOSSLESS


def _may_be_exact(syntax: TransferSyntax) -> bool:
    return _is_exact(syntax) or syntax.uid in _REVERSIBLE_OR_NOT


def _is_exact_frame(frames: Frames, number: int) -> bool:
    """Return whether a frame holds words exactly: by its syntax, or by the header of its codestream."""
    syntax = frames.transfer_syntax
    if _is_exact(syntax) or syntax.uid not in _REVERSIBLE_OR_NOT:
        return _is_exact(syntax)
    codestream = described(frames.read(number))
    return codestream is not None and codestream.is_lossless


def _without_padding(codestream: bytes) -> bytes:
    return codestream.rstrip(b"\0")


def _bytes_of(arrival: Arrival, size: int) -> DataSet:
    """Return the data set of an arrival, whose bytes are complete."""
    if arrival.file is None:
        return DataSet(io.BytesIO(arrival.dataset or b""), size)
    return DataSet(cast(BinaryIO, _ArrivedFile(arrival, size)), size)


class _ArrivedFile(PiecewiseFile):
    """The data set of an arrival as a file."""

    def __init__(self, arrival: Arrival, size: int) -> None:
        super().__init__(io.BytesIO(), size)
        assert arrival.file is not None
        self._incoming = arrival.file
        self._offset = arrival.dataset_offset

    def read_piece(self, at: int, wanted: int) -> bytes:
        piece = self._incoming.read_back(self._offset + at, wanted)
        if not piece:
            raise OSError("The object ends too early")
        return piece


def _clause(error: Exception) -> str:
    return str(error).rstrip(".")
