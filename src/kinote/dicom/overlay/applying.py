"""A data set as it goes out, with its overlay: a rewritten head, while bulk values stay in the file.

All errors of the overlay are raised here, before the receiver has a byte.
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

#: With these limits no text and no UN value is skipped: text is re-encoded when the character set changes, and a UN
#: value may be a sequence that has to be searched.
_WITH_TEXT = replace(DEFAULT_LIMITS, bulk_text=1 << 62)

_UNICODE = character_set((UTF_8,))


def no_other_uids(uids: object) -> Mapping[str, str]:
    """Return no changes: references stay as stored."""
    return {}


def overlaid(
    stored: DataSet, transfer_syntax_uid: str, overlay: Overlay, todays_uids: TodaysUids = no_other_uids
) -> DataSet:
    """Return the data set with the overlay; `stored` itself if it has all current values already.

    Closing the result closes the file of `stored`. Raises `OverlayError` for a value that cannot be overlaid,
    `DicomError` if the data set cannot be walked, and `OSError` if it cannot be read.
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
    """The result of a walk: the root, and its head with the places of the rest."""

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
            # Skipped values are jumped over: only the head is read, however large the object is.
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
        """Return the data set that goes out; None if it is the stored one.

        Raises `NotWritableError` if a value does not fit the character set of the data set.
        """
        wanted = self._overlay.attributes
        stored = _attributes_of(self._root, wanted)
        # Of elements with the same tag, the last one counts. The others must not keep an old value.
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
        """Return a function that gives the current UID for a referenced one; None if no references change."""
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
        """Return the Original Attributes Sequence: the stored items, and a new one for each change."""
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
        # If it was sent as UN, its items are implicit, and so are the added ones.
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
        """Return the stored items, without the delimiter of their sequence, and their encoding.

        Raises `OverlayError` if the element is something else.
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
        """Return the elements of the root as stored, without bulk values; empty for absent ones.

        If the character set changes, they stay in the old one, and the old Specific Character Set precedes them.
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
    """Return attributes of the data set as DICOM JSON, by tag."""
    found: dict[str, Attribute] = json.loads(selection_json(root, wanted))
    return {int(tag, 16): attribute for tag, attribute in found.items()}


def _as_dictionary(tag: int, attribute: Attribute) -> Attribute:
    """Return the attribute with the VR of the dictionary, if it has one."""
    vr = implicit_vr(tag)
    return attribute if vr in ("UN", attribute["vr"]) else {**attribute, "vr": vr}
