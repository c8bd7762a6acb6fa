"""The list of what could not be sent: as long as it can be, in every transfer syntax."""

from __future__ import annotations

import zlib

import pytest

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.elements.dataset import scan
from kinote.dicom.elements.limits import KEEP_ALL
from kinote.scp.retrieving.failed_list import failed_list


@pytest.mark.parametrize("syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN])
@pytest.mark.parametrize(("size", "most"), [(64, 1008), (63, 1023), (5, 10_922), (4, 13_107)], ids=str)
def test_the_list_has_as_many_as_its_length_can_tell(syntax: str, size: int, most: int) -> None:
    uids = (
        [f"1.{number + 1:0{size - 2}}" for number in range(20_000)]
        if size > 7
        else ["1." + "2" * (size - 2)] * 20_000
    )
    found = scan(failed_list(uids, syntax), syntax, KEEP_ALL).texts(tags.FAILED_SOP_INSTANCE_UID_LIST)
    assert list(found) == uids[:most]
    assert len("\\".join(uids[: most + 1])) > 65_534


def test_a_deflated_list_has_an_even_length() -> None:
    """PS3.5 A.5."""
    lists = [
        failed_list([f"1.2.{number}" for number in range(count)], DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
        for count in range(1, 40)
    ]
    assert {len(each) % 2 for each in lists} == {0}
    for count, each in enumerate(lists, 1):
        inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(each)
        found = scan(inflated, EXPLICIT_VR_LITTLE_ENDIAN).texts(tags.FAILED_SOP_INSTANCE_UID_LIST)
        assert len(found) == count
