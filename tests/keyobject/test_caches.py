"""Key objects read the same with and without caches."""

from __future__ import annotations

from typing import Any

import pytest

from kinote.dicom.elements.byte_cache import ByteCache, caches_disabled
from kinote.keyobject.reader import read
from kinote.keyobject.readers import content, evidence, title_reader
from tests.keyobject.documents import EXPLICIT
from tests.keyobject.variants.table import VARIANTS
from tests.keyobject.variants.variant import Variant, encoded, good


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.id for variant in VARIANTS])
def test_a_variant_reads_the_same_without_caches(variant: Variant) -> None:
    """Others have filled the caches before, and the variant itself when it is read for the second time."""
    read(encoded(good()), EXPLICIT)
    first = variant.reading()
    assert variant.reading() == first
    with caches_disabled():
        assert variant.reading() == first


def test_the_second_document_of_a_sender_is_found_in_the_caches() -> None:
    document = encoded(good())
    read(document, EXPLICIT)
    caches: tuple[ByteCache[Any, Any], ...] = (
        title_reader._TITLES,
        content._SIMPLE_REFERENCES,
        evidence._INSTANCES,
    )
    before = [cache.hits for cache in caches]
    read(document, EXPLICIT)
    assert all(cache.hits > hits for cache, hits in zip(caches, before, strict=True))
