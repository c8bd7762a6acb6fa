"""Variants of document title, template and modifiers."""

from __future__ import annotations

from tests.keyobject.variants.changes import (
    all_of,
    code,
    having,
    in_first,
    lacking,
    modified,
    titled,
    without,
)
from tests.keyobject.variants.variant import variant

ROWS = (
    variant("V09", in_first(lambda d: d.ContentTemplateSequence[0], TemplateIdentifier="2000"), "TEMPLATE"),
    variant("V10", without("ContentTemplateSequence"), "TEMPLATE"),
    variant("V11", lacking(lambda d: d.ContentTemplateSequence[0], "MappingResource"), "TEMPLATE"),
    variant("V12", without("ConceptNameCodeSequence"), "TITLE_MISSING"),
    variant("V13", having(ConceptNameCodeSequence=[]), "TITLE_MISSING"),
    variant("V14", titled(CodeValue="PR2KO", CodingSchemeDesignator="DCM4CHEE", CodeMeaning="Referenced")),
    variant("V15", titled(CodeValue="MADOTEMP001", CodingSchemeDesignator="99IHE", CodeMeaning="Manifest")),
    variant("V16", titled(CodeMeaning=""), "TITLE_MEANING_MISSING"),
    variant("V17", titled(CodingSchemeDesignator="DICOM"), "TITLE_SCHEME"),
    variant(
        "V18",
        lambda d: d.ConceptNameCodeSequence.append(code("113003", "DCM", "For Surgery")),
        "TITLE_SEVERAL",
    ),
    variant("V19", titled(CodeValue="TCE001", CodingSchemeDesignator="IHERADTF", CodeMeaning="Teaching")),
    variant("V20", titled(CodeValue="113003"), "TITLE_MEANING_MISMATCH"),
    # A meaning in another language, or in other words, belongs to no other code.
    *(
        variant(f"V20{letter}", titled(CodeMeaning=meaning))
        for letter, meaning in zip(
            "bcde", ("Von Interesse", "D'intérêt", "関心あり", "Key image"), strict=True
        )
    ),
    variant("V21", titled(CodeValue="113013", CodeMeaning="Best In Set"), "MODIFIER_MISSING"),
    variant(
        "V22",
        all_of(
            titled(CodeValue="113001", CodeMeaning="Rejected for Quality Reasons"),
            modified(code("113015", "DCM", "Series")),
        ),
        "MODIFIER_FOREIGN",
        noted=frozenset({"REJECTION_NOT_AUTHORISED"}),
    ),
)
