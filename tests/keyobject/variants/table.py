"""The table of odd and malformed documents of the field.

A row is a variant, by its number in the reference table of variants: how it is made of a good document, what the
reader finds, and what becomes of it in a product by each face. The generator, the reader's tests and those of the
whole product go by this one table.
"""

from __future__ import annotations

from tests.keyobject.variants import content, header, index, references, title, whole
from tests.keyobject.variants.variant import Variant

VARIANTS: tuple[Variant, ...] = (
    *whole.ROWS,
    *header.ROWS,
    *title.ROWS,
    *references.ROWS,
    *content.ROWS,
    *index.ROWS,
)

BY_ID = {row.id: row for row in VARIANTS}
