"""Reads the document title and checks its modifiers (TID 2010 rows 1 to 4)."""

from __future__ import annotations

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.keyobject.codes import Code
from kinote.keyobject.findings import Findings
from kinote.keyobject.readers.coded import read_code_parts
from kinote.keyobject.readers.element_cache import LONGEST, ElementCache
from kinote.keyobject.titles import (
    TitleGroup,
    canonical,
    has_standard_meaning,
    means_another,
    modifiers_for,
    standard_meaning,
    title_group,
)

_PLACE = "ConceptNameCodeSequence"

_TITLES: ElementCache[Code] = ElementCache()


def read_title(root: DataSet, findings: Findings) -> Code | None:
    """Return the title, with the meaning of the dictionary if there is one; None if there is no usable title."""
    sent = root.element(tags.CONCEPT_NAME_CODE_SEQUENCE, LONGEST)
    known = _TITLES.value_of(sent, root.encoding)
    if known is not None:
        return known
    before = len(findings)
    title = _read_title(root, findings)
    if title is not None and len(findings) == before:
        _TITLES.remember(sent, root.encoding, title, *title.texts)
    return title


def _read_title(root: DataSet, findings: Findings) -> Code | None:
    items = root.items(tags.CONCEPT_NAME_CODE_SEQUENCE)
    if not items:
        findings.add("TITLE_MISSING", _PLACE)
        return None
    if len(items) > 1:
        findings.add("TITLE_SEVERAL", _PLACE)
    value, scheme, meaning = read_code_parts(items[0], _PLACE, findings)
    if not value or not scheme:
        findings.add("TITLE_MISSING", _PLACE)
        return None
    return _settled(Code(value, scheme, meaning), findings)


def _settled(written: Code, findings: Findings) -> Code:
    title = written
    if written.scheme.upper() == "DICOM" and canonical(written).scheme == "DCM":
        findings.add("TITLE_SCHEME", _PLACE, repr(written.scheme))
        # A rejection has effects, so its scheme must be written correctly. With another scheme it is only shown.
        if title_group(canonical(written)) is not TitleGroup.REJECTION:
            title = canonical(written)
    standard = standard_meaning(canonical(written))
    if not written.meaning:
        findings.add("TITLE_MEANING_MISSING", _PLACE)
        return Code(title.value, title.scheme, standard or "")
    said = Code(title.value, title.scheme, written.meaning)
    if has_standard_meaning(said):
        return said
    if means_another(said):
        findings.add("TITLE_MEANING_MISMATCH", _PLACE, repr(written.meaning))
    # Whether in another language or wrong: the code decides, and lists show one meaning for it.
    return Code(title.value, title.scheme, standard or "")


def check_modifiers(title: Code | None, modifiers: list[Code], findings: Findings) -> None:
    """Check that a title has the modifier it needs, and that its modifiers belong to its context group."""
    rule = modifiers_for(title) if title else None
    if title is None or rule is None:
        return
    if rule.mandatory and not any(code in rule.codes for code in modifiers):
        findings.add("MODIFIER_MISSING", "ContentSequence", title.meaning)
    for code in modifiers:
        # The context groups are extensible, so a code of another scheme may belong to them.
        if code.scheme == "DCM" and code not in rule.codes:
            findings.add("MODIFIER_FOREIGN", "ContentSequence", str(code))
