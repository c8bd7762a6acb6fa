"""Variants of the content tree and of its texts."""

from __future__ import annotations

from tests.keyobject.variants.changes import (
    DESCRIPTION,
    all_of,
    bare_code_item,
    code,
    content,
    images,
    in_first,
    item,
    lacking,
    without,
)
from tests.keyobject.variants.variant import variant

ROWS = (
    variant("V68", all_of(without("ValueType"), without("ContinuityOfContent")), "ROOT_INCOMPLETE"),
    variant(
        "V69",
        content(
            lambda d: [*d.ContentSequence, item("CONTAINS", "IMAGE", ReferencedContentItemIdentifier=[1, 2])]
        ),
        "BY_REFERENCE",
    ),
    variant("V71", lacking(lambda d: images(d)[0], "RelationshipType"), "RELATIONSHIP_MISSING"),
    variant(
        "V72", content(lambda d: [*d.ContentSequence, item("CONTAINS", "NUM", DESCRIPTION)]), "ITEM_IGNORED"
    ),
    variant(
        "V75",
        in_first(lambda d: d.ContentSequence[0], ConceptNameCodeSequence=[code("121106", "DCM", "Comment")]),
        "DESCRIPTION_CONCEPT",
    ),
    variant(
        "V78",
        content(lambda d: [*d.ContentSequence, item("CONTAINS", "TEXT", DESCRIPTION, TextValue="second")]),
        "DESCRIPTION_SEVERAL",
    ),
    variant("V79", in_first(lambda d: d.ContentSequence[0], TextValue=""), "DESCRIPTION_EMPTY"),
    variant("no value type", bare_code_item, "RELATIONSHIP_MISSING", "VALUE_TYPE_MISSING", "ITEM_IGNORED"),
    variant(
        "modifier without value",
        content(
            lambda d: [
                *d.ContentSequence,
                item("HAS CONCEPT MOD", "CODE", code("113011", "DCM", "Document Title Modifier")),
            ]
        ),
        "CODE_INCOMPLETE",
    ),
)
