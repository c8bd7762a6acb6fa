"""What is remembered by its bytes: only what means the same everywhere, and not without end."""

from __future__ import annotations

import pytest

from kinote.dicom.elements.encodings import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from kinote.keyobject.readers.element_cache import LONGEST, ElementCache


def test_bytes_are_remembered_in_their_encoding() -> None:
    cache: ElementCache[str] = ElementCache()
    cache.remember(b"\xfe\xffsent", EXPLICIT_LITTLE, "said", "in", "ASCII")
    assert cache.value_of(b"\xfe\xffsent", EXPLICIT_LITTLE) == "said"
    assert cache.value_of(b"\xfe\xffsent", IMPLICIT_LITTLE) is None
    assert cache.value_of(None, EXPLICIT_LITTLE) is None


@pytest.mark.parametrize(
    ("sent", "texts"),
    [
        (b"Kr\xf6te", ("Kröte",)),
        (b"\x1b$BCode", ("Code",)),
        (b"x" * (LONGEST + 1), ("Code",)),
        (None, ("Code",)),
    ],
)
def test_what_a_character_set_may_change_is_not_remembered(
    sent: bytes | None, texts: tuple[str, ...]
) -> None:
    cache: ElementCache[str] = ElementCache()
    cache.remember(sent, EXPLICIT_LITTLE, "said", *texts)
    assert cache.value_of(sent, EXPLICIT_LITTLE) is None


def test_what_is_remembered_has_an_end() -> None:
    cache: ElementCache[int] = ElementCache(capacity=3)
    for number in range(10):
        cache.remember(b"%d" % number, EXPLICIT_LITTLE, number)
    found = [cache.value_of(b"%d" % number, EXPLICIT_LITTLE) for number in range(10)]
    assert found == [None] * 9 + [9]
