"""A data set as it goes out, with its overlay: its head is written anew, what is let pass stays in the file.

Everything that can go wrong with the overlay goes wrong here, before anybody has a byte.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import SEQUENCES, implicit_vr
from kinote.dicom.elements import dataset as elements
from kinote.dicom.elements.element_heads import UNDEFINED
from kinote.dicom.elements.encodings import IMPLICIT_LITTLE, Encoding
from kinote.dicom.elements.limits import DEFAULT_LIMITS, Limits
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.json.from_elements import selection_json
from kinote.dicom.overlay import original_attributes
from kinote.dicom.overlay.changes import Attribute, Overlay, OverlayError, TodaysUids, differs
from kinote.dicom.overlay.deflated import deflated
from kinote.dicom.overlay.exact_encoder import ExactEncoder, NotWritableError
from kinote.dicom.overlay.kept_head import HeadElement, KeptHead
from kinote.dicom.overlay.pieces import PiecedFile, Pieces, joined
from kinote.dicom.overlay.rewriting import UTF_8, Rewriting, checked
from kinote.dicom.overlay.unknown_sequence import unknown_sequence
from kinote.dicom.values.character_sets import CharacterSet, character_set

_CHUNK = 64 * 1024

#: Text is re-encoded where the character set changes, and what was sent as UN may be sequences that are gone into: then
#: none of it is let pass.
_WITH_TEXT = replace(DEFAULT_LIMITS, bulk_text=1 << 62)

_UNICODE = character_set((UTF_8,))


def no_other_uids(uids: object) -> Mapping[str, str]:
    """For a data set whose references are as they were."""
    return {}


def overlaid(
    stored: DataSet, transfer_syntax_uid: str, overlay: Overlay, todays_uids: TodaysUids = no_other_uids
) -> DataSet:
    """The data set with the overlay; `stored` itself where it says everything already as it is today.

    Closing what is given closes the file of `stored`. Raises `OverlayError` for a value that cannot be laid over it,
    `DicomError` where the data set cannot be walked, and `OSError` where it cannot be read.
    """
    base = stored.file.tell()
    head = _walked(stored, base, transfer_syntax_uid, DEFAULT_LIMITS)
    if any(span.vr == "UN" and span.tag in SEQUENCES for span in head.root.bulk):
        stored.file.seek(base)
        head = _walked(stored, base, transfer_syntax_uid, _WITH_TEXT)
    try:
        pieces = _Overlaying(head, overlay, todays_uids, into_utf_8=False).pieces()
    except NotWritableError:
        stored.file.seek(base)
        head = _walked(stored, base, transfer_syntax_uid, _WITH_TEXT)
        pieces = _Overlaying(head, overlay, todays_uids, into_utf_8=True).pieces()
    stored.file.seek(base)
    if pieces is None:
        return stored
    if head.is_deflated:
        with stored.file as file:
            return deflated(file, stored.size, pieces, head.end)
    if head.end < stored.size:
        # Zeros after the last element.
        pieces.add_span(head.end, stored.size - head.end)
    if isinstance(stored.file, io.BytesIO) and not base:
        return DataSet(io.BytesIO(joined(stored.file.getvalue(), pieces)), pieces.size)
    return DataSet(cast(BinaryIO, PiecedFile(stored.file, base, pieces)), pieces.size)


@dataclass(frozen=True, slots=True)
class _Walked:
    """What a walk has found: the root, and its head with where the rest lies."""

    root: elements.DataSet
    kept: KeptHead
    is_deflated: bool

    @property
    def end(self) -> int:
        return self.kept.end


def _walked(stored: DataSet, base: int, transfer_syntax_uid: str, limits: Limits) -> _Walked:
    scanner = DataSetScanner(transfer_syntax_uid, limits)
    file, left = stored.file, stored.size
    is_deflated = scanner.transfer_syntax.deflated
    if isinstance(file, io.BytesIO) and not base and not is_deflated:
        scanner.feed(file.getvalue())
        left = 0
    while left > 0 and (chunk := file.read(min(_CHUNK, left))):
        scanner.feed(chunk)
        left -= len(chunk)
        if scanner.passing and not is_deflated:
            # What is let pass is jumped over: only the head is read, however large the object is.
            jumped = min(scanner.passing, left)
            file.seek(jumped, io.SEEK_CUR)
            scanner.jump(jumped)
            left -= jumped
    scanner.finish()
    root = elements.scanned(scanner)
    return _Walked(root, KeptHead(scanner.walk.kept, scanner.walk.ends, root.bulk), is_deflated)


class _Overlaying:
    """The overlay of one data set that was walked."""

    def __init__(self, head: _Walked, overlay: Overlay, todays_uids: TodaysUids, *, into_utf_8: bool) -> None:
        self._root = head.root
        self._kept = head.kept
        self._overlay = overlay
        self._todays_uids = todays_uids
        self._into_utf_8 = into_utf_8
        self._encoding = head.root.encoding
        self._characters: CharacterSet = head.root.character_set
        self._elements = list(head.kept.elements(0, len(head.kept.kept), self._encoding))
        self._by_tag = {element.tag: element for element in self._elements}
        self._encoder = ExactEncoder(self._encoding, _UNICODE if into_utf_8 else self._characters)

    def pieces(self) -> Pieces | None:
        """The data set that goes out; None if it is the stored one.

        Raises `NotWritableError` where a value takes another character set than the data set has.
        """
        wanted = self._overlay.attributes
        stored = _attributes_of(self._root, wanted)
        # Of elements with the same tag the last one counts; none of them may go on saying something else.
        times = Counter(element.tag for element in self._elements)
        changed = {tag: now for tag, now in wanted.items() if times[tag] > 1 or differs(stored.get(tag), now)}
        rewriting = Rewriting(self._kept, self._uids(changed), self._into_utf_8)
        anew: dict[HeadElement, Pieces] = {}
        referring = []
        for element in self._elements:
            if element.tag in changed or element.tag == tags.ORIGINAL_ATTRIBUTES_SEQUENCE:
                continue
            before = rewriting.changed_uids
            written = rewriting.element(element, self._encoding, self._characters)
            if written is not None:
                anew[element] = written
            if rewriting.changed_uids > before:
                referring.append(element.tag)
        changes = self._overlay.by_change(changed, referring)
        if not changes:
            return None
        by_tag: dict[int, bytes | Pieces] = {
            tag: self._encoder.attribute(tag, _as_dictionary(tag, now)) for tag, now in changed.items()
        }
        if self._into_utf_8:
            terms = {"vr": "CS", "Value": [UTF_8]}
            by_tag[tags.SPECIFIC_CHARACTER_SET] = self._encoder.attribute(tags.SPECIFIC_CHARACTER_SET, terms)
        by_tag[tags.ORIGINAL_ATTRIBUTES_SEQUENCE] = self._original_attributes(changes)
        return rewriting.assembled(0, len(self._kept.kept), self._elements, anew, by_tag, self._encoding)

    def _uids(self, changed: Mapping[int, Attribute]) -> Any:
        """Gives the UID of today for one that is referred to; None if there are no others."""
        if not self._overlay.changes_references:
            return None
        seen: dict[str, None] = {}

        def collect(uid: str) -> None:
            seen[uid] = None

        collecting = Rewriting(self._kept, collect)
        for element in self._elements:
            if element.tag not in changed and element.tag != tags.ORIGINAL_ATTRIBUTES_SEQUENCE:
                collecting.element(element, self._encoding, self._characters)
        return self._overlay.todays(seen, self._todays_uids).get

    def _original_attributes(self, changes: Any) -> Pieces:
        """Original Attributes Sequence with the items that were there and one for each change."""
        known = self._by_tag.get(tags.ORIGINAL_ATTRIBUTES_SEQUENCE)
        content, encoding = self._known_items(known)
        if encoding is self._encoding:
            for change, modified in changes:
                content.add(original_attributes.item_bytes(self._encoder, change, self._previous(modified)))
            out = Pieces(self._encoder.head(tags.ORIGINAL_ATTRIBUTES_SEQUENCE, "SQ", checked(content.size)))
            out.extend(content)
            return out
        if encoding is not IMPLICIT_LITTLE:
            raise OverlayError(
                "Original Attributes Sequence (0400,0561) is in another byte order than the object"
            )
        # Sent as UN, its items are implicit, and so are those that are added.
        encoder = ExactEncoder(IMPLICIT_LITTLE, _UNICODE if self._into_utf_8 else self._characters)
        for change, modified in changes:
            stored = _attributes_of(self._root, modified)
            previous = {tag: stored.get(tag, {"vr": implicit_vr(tag)}) for tag in modified}
            content.add(
                original_attributes.item_bytes(
                    encoder, change, [encoder.attribute(tag, previous[tag]) for tag in sorted(previous)]
                )
            )
        out = Pieces(self._encoder.head(tags.ORIGINAL_ATTRIBUTES_SEQUENCE, "UN", 0xFFFFFFFF))
        out.extend(content)
        out.add(IMPLICIT_LITTLE.sequence_end)
        return out

    def _known_items(self, known: HeadElement | None) -> tuple[Pieces, Encoding]:
        """The items that are there already, without the delimiter of their sequence, and how they are encoded.

        Raises `OverlayError` where there is something else.
        """
        kept = self._kept
        if known is None or (known.value == known.stop and not kept.is_bulk(known)):
            return Pieces(), self._encoding
        encoding = kept.items_encoding(known, self._encoding)
        if encoding is not None:
            stop = known.stop
            if (
                kept.length(known, self._encoding) == UNDEFINED
                and kept.kept[stop - 8 : stop] == encoding.sequence_end
            ):
                stop -= 8
            return self._items(kept, known.value, stop, encoding), encoding
        found = unknown_sequence(kept, known, self._encoding)
        if found is None:
            raise OverlayError("Original Attributes Sequence (0400,0561) has a value that is no sequence")
        items = self._items(found.head, found.start, found.stop, found.encoding)
        return Pieces(found.joined(items)), found.encoding

    def _items(self, head: KeptHead, start: int, stop: int, encoding: Encoding) -> Pieces:
        if self._into_utf_8:
            written = Rewriting(head, None, into_utf_8=True).items(start, stop, encoding, self._characters)
            if written is not None:
                return written
        out = Pieces()
        head.add_stored(out, start, stop)
        return out

    def _previous(self, modified: Any) -> list[bytes]:
        """The elements of the root as they are stored, without their bulk values; empty where they are not there.

        Where the character set changes, they stay in the one that the data set had, which stands before them.
        """
        found = {tag: self._stored(tag) for tag in modified}
        if self._into_utf_8 and tags.SPECIFIC_CHARACTER_SET in self._by_tag:
            found[tags.SPECIFIC_CHARACTER_SET] = self._stored(tags.SPECIFIC_CHARACTER_SET)
        return [found[tag] for tag in sorted(found)]

    def _stored(self, tag: int) -> bytes:
        element = self._by_tag.get(tag)
        if element is None:
            return self._encoder.element(tag, implicit_vr(tag), b"")
        into_utf_8 = self._into_utf_8 and tags.SPECIFIC_CHARACTER_SET not in self._by_tag
        if into_utf_8 or self._kept.has_bulk(element):
            rewriting = Rewriting(self._kept, None, into_utf_8, without_bulk=True)
            written = rewriting.element(element, self._encoding, self._characters)
            if written is not None:
                return joined(b"", written)
        return self._kept.kept[element.at : element.stop]


def _attributes_of(root: elements.DataSet, wanted: Any) -> dict[int, Attribute]:
    """Attributes of the data set as DICOM JSON, by tag."""
    found: dict[str, Attribute] = json.loads(selection_json(root, wanted))
    return {int(tag, 16): attribute for tag, attribute in found.items()}


def _as_dictionary(tag: int, attribute: Attribute) -> Attribute:
    """The attribute with the representation that the dictionary has, where it has one."""
    vr = implicit_vr(tag)
    return attribute if vr in ("UN", attribute["vr"]) else {**attribute, "vr": vr}
