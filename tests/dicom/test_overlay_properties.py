"""Whatever a data set is made of: what goes out is what pydicom makes of it, and what the index says of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinote.catalog.instances.overlaid_headers import overlaid_header
from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.json.from_elements import metadata_json
from tests.dicom.elements import Writer
from tests.dicom.inflated import deflated
from tests.dicom.overlaying import by_pydicom, correction, ours, read, values, walked
from tests.scale import SCALE

SYNTAXES = [
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]

CODECS = {"ISO_IR 100": "latin-1", "ISO_IR 144": "iso8859-5", "ISO_IR 192": "utf-8", "": "ascii"}
LETTERS = {"ISO_IR 100": "aäö", "ISO_IR 144": "aЖю", "ISO_IR 192": "aä山", "": "ab"}

KNOWN = [f"1.2.{number}" for number in range(1, 6)]
NOW = {uid: f"1.9.{'7' * number}" for number, uid in enumerate(KNOWN, 1) if number % 2}

uids = st.sampled_from([*KNOWN, "1.3.4"])


def levels(character_set: str) -> st.SearchStrategy[dict[int, Any]]:
    text = st.text(LETTERS[character_set], max_size=9)
    plain = {
        0x00080060: st.just("CT"),
        0x00081155: uids,
        0x00100010: text,
        0x00100020: text,
        0x0040A160: text,
    }
    return st.recursive(
        st.fixed_dictionaries({}, optional=plain),
        lambda inner: st.fixed_dictionaries(
            {},
            optional={
                **plain,
                0x00420011: st.sampled_from([b"\x01\x02", b"\x05" * 3000]),
                0x00081140: st.lists(inner, min_size=1, max_size=3),
                0x00400275: st.lists(inner, min_size=1, max_size=2),
            },
        ),
        max_leaves=10,
    )


REPRESENTATIONS = {
    0x00080060: "CS",
    0x00081155: "UI",
    0x00100010: "PN",
    0x00100020: "LO",
    0x0040A160: "UT",
    0x00420011: "OB",
}


def written(level: dict[int, Any], writer: Writer, codec: str, undefined: bool) -> bytes:
    parts = []
    for tag in sorted(level):
        value = level[tag]
        if isinstance(value, list):
            items = [
                writer.item(
                    written(item, writer, codec, not undefined), undefined=undefined ^ bool(number % 2)
                )
                for number, item in enumerate(value)
            ]
            parts.append(writer.sequence(tag, *items, undefined=undefined))
            continue
        vr = REPRESENTATIONS[tag]
        encoded = value if isinstance(value, bytes) else value.encode(codec)
        encoded += (b"\0" if vr in ("UI", "OB") else b" ") * (len(encoded) & 1)
        parts.append(writer.element(tag, vr, encoded))
    return b"".join(parts)


@st.composite
def data_sets(draw: st.DrawFn, syntax: str) -> bytes:
    character_set = draw(st.sampled_from(sorted(CODECS)))
    level = draw(levels(character_set))
    writer = Writer(syntax)
    first = writer.element(0x00080005, "CS", character_set.encode()) if character_set else b""
    data = first + written(level, writer, CODECS[character_set], draw(st.booleans()))
    return deflated(data) if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else data


names = st.text("aäЖ山^", max_size=6).filter(lambda text: not text.endswith("^"))
overlays = st.fixed_dictionaries(
    {},
    optional={
        0x00080050: st.text("A1", max_size=9).map(
            lambda text: {"vr": "SH", "Value": [text]} if text else {"vr": "SH"}
        ),
        0x00100010: names.map(
            lambda text: {"vr": "PN", "Value": [{"Alphabetic": text}]} if text else {"vr": "PN"}
        ),
        0x00100020: st.text("aä", max_size=20).map(
            lambda text: {"vr": "LO", "Value": [text]} if text else {"vr": "LO"}
        ),
    },
)


@pytest.mark.soak
@pytest.mark.parametrize("syntax", SYNTAXES)
@settings(deadline=None, max_examples=SCALE.property_examples // 3)
@given(data=st.data())
def test_any_overlay_is_what_pydicom_makes_of_it(syntax: str, data: st.DataObject) -> None:
    stored = data.draw(data_sets(syntax))
    overlay = correction(data.draw(overlays), NOW if data.draw(st.booleans()) else None)
    now = NOW if overlay.changes_references else {}
    sent = ours(stored, syntax, overlay, now)
    assert values(read(sent, syntax)) == values(by_pydicom(stored, syntax, overlay, now))


@pytest.mark.soak
@pytest.mark.parametrize("syntax", SYNTAXES)
@settings(deadline=None, max_examples=SCALE.property_examples // 3)
@given(data=st.data())
def test_the_header_in_the_index_says_what_goes_out(syntax: str, data: st.DataObject) -> None:
    """Made of what the index has, without the bytes."""
    stored = data.draw(data_sets(syntax))
    overlay = correction(data.draw(overlays), NOW if data.draw(st.booleans()) else None)
    now = NOW if overlay.changes_references else {}
    said = overlaid_header(metadata_json(walked(stored, syntax)), overlay, lambda asked: now)
    sent = metadata_json(walked(ours(stored, syntax, overlay, now), syntax))
    assert json.loads(said) == json.loads(sent)
