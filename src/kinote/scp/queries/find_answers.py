"""Matches as the identifiers of C-FIND responses (PS3.4 C.4.1.1.3.2)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import lookup
from kinote.dicom.dictionary.value_representations import implicit_vr
from kinote.dicom.json.to_elements import ElementEncoder, Wanted
from kinote.dicom.values.character_sets import character_set
from kinote.dimse.information_models import QueryLevel
from kinote.scp.queries.find_query import supports
from kinote.scp.queries.identifiers import Identifier

_UTF_8 = ("ISO_IR 192", "utf-8")

#: Returned with every match, requested or not.
_AVAILABILITY = f"{tags.INSTANCE_AVAILABILITY:08X}"


class AnswerEncoder:
    """Encodes the answers to one query.

    An answer has the requested attributes. Those without a value are empty; those not supported for existence at this
    level are omitted (C.2.2.1.3). Added are Query/Retrieve Level, Retrieve AE Title, Instance Availability and, if not
    all is ASCII, Specific Character Set: that of the query if it suffices, else UTF-8.
    """

    def __init__(self, identifier: Identifier, transfer_syntax_uid: str, retrieve_ae_title: str) -> None:
        self._deflated = lookup(transfer_syntax_uid).deflated
        self._transfer_syntax_uid = transfer_syntax_uid
        self._fixed = {
            tags.QUERY_RETRIEVE_LEVEL: identifier.level.name,
            tags.RETRIEVE_AE_TITLE: retrieve_ae_title,
        }
        self._plan = list(_planned(identifier))
        self._asked_set = _usable(identifier.character_set)
        self._encoders: dict[tuple[str, str], ElementEncoder] = {}
        self._heads: dict[tuple[str, str], dict[int, bytes]] = {}
        self._private = {tag for tag, *_ in self._plan if tag >> 16 & 1}
        self._representations = identifier.representations

    def encode(self, lines: Iterable[str]) -> bytes:
        """Return the identifier of one match. `lines` has its attributes, one line of DICOM JSON each."""
        by_tag = {line[1:9]: line for line in lines}
        found = [(tag, by_tag.get(name), wanted) for tag, name, wanted in self._plan]
        term, codec = self._character_set([line for _, line, _ in found if line is not None])
        encoder, parts = self._encoder(term, codec)
        elements = dict(parts)
        for tag, line, wanted in found:
            if line is not None:
                elements[tag] = encoder.line(line, wanted)
            elif tag not in self._private:
                elements[tag] = encoder.element(tag, self._vr(tag), b"")
        availability = by_tag.get(_AVAILABILITY)
        if availability is not None:
            elements[tags.INSTANCE_AVAILABILITY] = encoder.line(availability)
        data = b"".join([elements[tag] for tag in sorted(elements)])
        return deflated(data) if self._deflated else data

    def _vr(self, tag: int) -> str:
        vr = implicit_vr(tag)
        return self._representations.get(tag, vr) if vr == "UN" else vr

    def _character_set(self, lines: list[str]) -> tuple[str, str]:
        """Return the term of the answer's character set, empty for ASCII, and its codec."""
        beyond = [line for line in lines if not line.isascii()]
        if not beyond:
            return "", "ascii"
        if self._asked_set is not None:
            try:
                for line in beyond:
                    line.encode(self._asked_set[1])
            except UnicodeEncodeError:
                return _UTF_8
            return self._asked_set
        return _UTF_8

    def _encoder(self, term: str, codec: str) -> tuple[ElementEncoder, dict[int, bytes]]:
        encoder = self._encoders.get((term, codec))
        if encoder is None:
            encoder = self._encoders[term, codec] = ElementEncoder(self._transfer_syntax_uid, codec)
            head = {tag: encoder.text(tag, value) for tag, value in self._fixed.items()}
            if term:
                head[tags.SPECIFIC_CHARACTER_SET] = encoder.text(tags.SPECIFIC_CHARACTER_SET, term)
            self._heads[term, codec] = head
        return encoder, self._heads[term, codec]


def _planned(identifier: Identifier) -> Iterator[tuple[int, str, Wanted | None]]:
    """Yield the attributes an answer can have, each with its tag as text, and what is wanted of its items."""
    for tag, wanted in sorted(identifier.wanted.items(), key=lambda each: each[0]):
        if tag == tags.INSTANCE_AVAILABILITY and identifier.level is not QueryLevel.PATIENT:
            continue
        if supports(identifier.level, tag):
            yield tag, f"{tag:08X}", wanted


def _usable(terms: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the character set of a query if answers can use it: one term without code extensions.

    JIS X 0201 is excluded: Python's codec would also write Kanji, which it does not have.
    """
    if len(terms) != 1 or terms[0].startswith("ISO 2022") or terms[0] == "ISO_IR 13":
        return None
    known = character_set(terms)
    codec = known.codec or known.right
    return (terms[0], codec) if known.is_known and codec else None


def deflated(data: bytes) -> bytes:
    """Return a data set deflated as in PS3.5 A.5, padded to an even length."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    written = deflater.compress(data) + deflater.flush()
    return written + b"\0" * (len(written) & 1)
