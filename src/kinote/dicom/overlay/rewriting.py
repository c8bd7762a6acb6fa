"""Rewrites the head of a data set: changed UIDs, text in UTF-8, and whole elements of the root.

Unchanged parts are passed on as stored. Lengths of sequences, items and groups that were correct stay correct.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import SHORT
from kinote.dicom.elements.dataset import DEEPEST_UNKNOWN
from kinote.dicom.elements.element_heads import ITEM_GROUP, UNDEFINED, odd_length
from kinote.dicom.elements.encodings import Encoding
from kinote.dicom.overlay.changes import OverlayError
from kinote.dicom.overlay.kept_head import HeadElement, KeptHead, representation
from kinote.dicom.overlay.pieces import Pieces
from kinote.dicom.overlay.unknown_sequence import unknown_sequence
from kinote.dicom.values.character_sets import ESCAPE, CharacterSet, character_set

UTF_8 = "ISO_IR 192"

_UNICODE = character_set((UTF_8,))

#: VRs whose text depends on Specific Character Set (PS3.5 6.1.2.2).
_IN_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})

#: The first bytes of explicit elements that never change: neither text, UID nor sequence.
_PLAIN = SHORT - {b"UI", *(vr.encode() for vr in _IN_CHARACTER_SET)}

#: The greatest lengths in 16 and 32 bits.
_LONGEST_SHORT, _LONGEST = 0xFFFE, 0xFFFFFFFE


@dataclass(slots=True)
class Rewriting:
    """The rules for rewriting elements.

    `uid` returns the replacement of a UID, None to keep it. With `into_utf_8`, text is re-encoded and every Specific
    Character Set names UTF-8. With `without_bulk`, skipped values become empty.
    """

    head: KeptHead
    uid: Callable[[str], str | None] | None = None
    into_utf_8: bool = False
    without_bulk: bool = False
    #: The number of UIDs changed so far.
    changed_uids: int = 0
    #: How many nested sequences sent as UN contain the head.
    depth: int = 0

    def level(self, start: int, end: int, encoding: Encoding, outer: CharacterSet) -> Pieces | None:
        """Rewrite a level; None if nothing in it changes. `outer` is the character set of the level above."""
        elements = list(self.head.elements(start, end, encoding))
        characters = self._characters(elements, outer)
        anew = {}
        for element in elements:
            written = self.element(element, encoding, characters)
            if written is not None:
                anew[element] = written
        return self.assembled(start, end, elements, anew, {}, encoding) if anew else None

    def element(self, element: HeadElement, encoding: Encoding, characters: CharacterSet) -> Pieces | None:
        """Rewrite an element; None if it stays as stored. `characters` is the character set of its level."""
        tag, vr, _, start, stop = element
        if self.into_utf_8 and tag == tags.SPECIFIC_CHARACTER_SET:
            return Pieces(self._headed(element, encoding, len(UTF_8)), UTF_8.encode())
        if start == stop:
            return Pieces(self._headed(element, encoding, 0)) if self._drops(element) else None
        if vr in _PLAIN:
            return None
        items = self.head.items_encoding(element, encoding)
        if items is not None:
            written = self.items(start, stop, items, characters)
            return None if written is None else self._filled(element, encoding, written)
        kept = self.head.kept
        if vr == b"UN" and kept[start : start + 4] == b"\xfe\xff\x00\xe0":
            return self._unknown_sequence(element, encoding, characters)
        value: bytes | None = None
        match representation(element, encoding):
            case "UI" if self.uid is not None:
                value = self._uids(kept[start:stop])
            case name if self.into_utf_8 and name in _IN_CHARACTER_SET:
                value = _in_utf_8(kept[start:stop], characters, is_person_name=name == "PN")
        if value is None or value == kept[start:stop]:
            return None
        return Pieces(self._headed(element, encoding, len(value)), value)

    def assembled(
        self,
        start: int,
        end: int,
        elements: Sequence[HeadElement],
        anew: Mapping[HeadElement, Pieces],
        by_tag: Mapping[int, bytes | Pieces],
        encoding: Encoding,
    ) -> Pieces:
        """Return a level with some of its elements rewritten.

        `by_tag` are whole elements. Each replaces those with its tag, or is inserted in tag order if there are none.
        """
        head = self.head
        present = {element.tag for element in elements}
        missing = sorted((tag for tag in by_tag if tag not in present), reverse=True)
        grown: dict[int, int] = {}
        for element in elements:
            written = by_tag.get(element.tag) or anew.get(element)
            if written is not None:
                group = element.tag >> 16
                grown[group] = grown.get(group, 0) + _size(written) - head.size(element.at, element.stop)
        for tag in missing:
            grown[tag >> 16] = grown.get(tag >> 16, 0) + _size(by_tag[tag])
        out = Pieces()
        pos = start
        for element in elements:
            while missing and missing[-1] < element.tag and element.tag >> 16 != ITEM_GROUP:
                head.add_stored(out, pos, element.at)
                pos = element.at
                _add(out, by_tag[missing.pop()])
            written = by_tag.get(element.tag) or anew.get(element)
            if written is None and not element.tag & 0xFFFF and grown.get(element.tag >> 16):
                written = self._group_length(element, grown[element.tag >> 16], encoding)
            if written is not None:
                head.add_stored(out, pos, element.at)
                _add(out, written)
                pos = element.stop
        head.add_stored(out, pos, end)
        while missing:
            _add(out, by_tag[missing.pop()])
        return out

    def _characters(self, elements: Sequence[HeadElement], outer: CharacterSet) -> CharacterSet:
        found = [each for each in elements if each.tag == tags.SPECIFIC_CHARACTER_SET]
        if not found:
            return outer
        terms = self.head.kept[found[-1].value : found[-1].stop].decode("latin-1").strip("\0 ").split("\\")
        return character_set(tuple(term.strip() for term in terms))

    def _drops(self, element: HeadElement) -> bool:
        return self.without_bulk and self.head.is_bulk(element) and self.head.has_bulk(element)

    def items(self, start: int, stop: int, encoding: Encoding, characters: CharacterSet) -> Pieces | None:
        """Rewrite items, and the delimiters between and after them; None if nothing in them changes."""
        head = self.head
        unpack = encoding.item.unpack_from
        out = Pieces()
        pos = done = start
        changes = False
        while pos <= stop - 8:
            _, number, length = unpack(head.kept, pos)
            content = pos + 8
            if number != 0xE000:
                pos = content
                continue
            end = head.ends.get(content, content if length == UNDEFINED else content + length)
            written = self.level(content, end, encoding, characters)
            if written is not None:
                changes = True
                head.add_stored(out, done, pos)
                if length != UNDEFINED:
                    length = checked(written.size)
                out.add(encoding.item.pack(0xFFFE, 0xE000, length))
                out.extend(written)
                done = end
            pos = end
        if not changes:
            return None
        head.add_stored(out, done, stop)
        return out

    def _unknown_sequence(
        self, element: HeadElement, encoding: Encoding, characters: CharacterSet
    ) -> Pieces | None:
        found = unknown_sequence(self.head, element, encoding)
        if found is None:
            return None
        if self.depth == DEEPEST_UNKNOWN:
            raise OverlayError("Sequences sent as unknown lie too deep in each other")
        inner = Rewriting(found.head, self.uid, self.into_utf_8, self.without_bulk, depth=self.depth + 1)
        written = inner.items(found.start, found.stop, found.encoding, characters)
        self.changed_uids += inner.changed_uids
        return None if written is None else self._filled(element, encoding, Pieces(found.joined(written)))

    def _filled(self, element: HeadElement, encoding: Encoding, value: Pieces) -> Pieces:
        """Return an element with another value; without length if it had none."""
        length = self.head.length(element, encoding)
        out = Pieces(self._headed(element, encoding, length if length == UNDEFINED else checked(value.size)))
        out.extend(value)
        return out

    def _headed(self, element: HeadElement, encoding: Encoding, length: int) -> bytes:
        """Return the head of an element with another length."""
        kept, at, value = self.head.kept, element.at, element.value
        if not encoding.explicit or (element.vr and element.vr not in SHORT):
            return kept[at : value - 4] + encoding.long.pack(length)
        if length > _LONGEST_SHORT:
            # PS3.5 6.2.2: a value too long for its VR is written as UN.
            return kept[at : at + 4] + b"UN\0\0" + encoding.long.pack(checked(length))
        if odd_length(kept[at + 4 : at + 6], 1, encoding) is None and not element.vr:
            # In these bytes the length takes the place of the VR.
            return kept[at : at + 4] + encoding.short.pack(length) + b"\0\0"
        return kept[at : at + 6] + encoding.short.pack(length)

    def _group_length(self, element: HeadElement, grown: int, encoding: Encoding) -> Pieces | None:
        value = self.head.kept[element.value : element.stop]
        if len(value) != 4:
            return None
        known = encoding.long.unpack(value)[0]
        return Pieces(
            self.head.kept[element.at : element.value], encoding.long.pack(max(known + grown, 0) & 0xFFFFFFFF)
        )

    def _uids(self, value: bytes) -> bytes:
        """Return a value with its current UIDs."""
        assert self.uid is not None
        parts = value.decode("latin-1").split("\\")
        changed = False
        for number, part in enumerate(parts):
            now = self.uid(part.strip("\0 "))
            if now is not None and now != part.strip("\0 "):
                parts[number] = now
                changed = True
        if not changed:
            return value
        self.changed_uids += 1
        written = "\\".join(parts).rstrip("\0 ").encode("latin-1")
        return written + b"\0" * (len(written) & 1)


def _in_utf_8(value: bytes, characters: CharacterSet, *, is_person_name: bool) -> bytes:
    if value.isascii() and ESCAPE not in value:
        return value
    text = characters.decode(value, is_person_name=is_person_name)
    written = text.encode()
    if len(written) & 1:
        # The new value may need padding that the old one did not, or the reverse.
        padded = len(text) > 1 and text[-1] in "\0 "
        written = text[:-1].encode() if padded else written + b" "
    return written


def _size(written: bytes | Pieces) -> int:
    return written.size if isinstance(written, Pieces) else len(written)


def _add(out: Pieces, written: bytes | Pieces) -> None:
    if isinstance(written, Pieces):
        out.extend(written)
    else:
        out.add(written)


def checked(length: int) -> int:
    """Return a length of 32 bits. Raises `OverlayError` if it is greater."""
    if length > _LONGEST:
        raise OverlayError("A sequence would become longer than a length can tell")
    return length
