"""Elements in bytes from their DICOM JSON, with pydicom as the oracle."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from pydicom.dataset import Dataset

from kinote.dicom.elements.dataset import scan
from kinote.dicom.elements.limits import KEEP_ALL
from kinote.dicom.json.from_elements import metadata_json
from kinote.dicom.json.to_elements import ElementEncoder
from tests.scp.requests import SYNTAXES, encoded

CASES: list[tuple[str, str, Any]] = [
    ("00080020", "DA", ["20240101"]),
    ("00080008", "CS", ["ORIGINAL", "PRIMARY"]),
    ("00081030", "LO", ["Thorax Müller"]),
    ("00081030", "LO", None),
    ("00100010", "PN", [{"Alphabetic": "Doe^Jane"}]),
    ("00100010", "PN", [{"Ideographic": "山田^太郎", "Phonetic": "やまだ"}]),
    ("00081048", "PN", [{"Alphabetic": "A^B"}, {"Alphabetic": "C"}]),
    ("0020000D", "UI", ["1.2.3"]),
    ("00200013", "IS", [-7]),
    ("00280030", "DS", [0.5, 1.25]),
    ("00280010", "US", [512]),
    ("00189219", "SS", [-5, 6]),
    ("00186020", "SL", [-70000]),
    ("00080301", "US", [1, 2]),
    ("00720076", "FL", [1.5]),
    ("00720074", "FD", [2.5, -1.0]),
    ("00082112", "SQ", [{"00081150": {"vr": "UI", "Value": ["1.2"]}}, {}]),
    ("00082112", "SQ", None),
    ("0040A160", "UT", ["a\\b  and more"]),
    ("00081190", "UR", ["http://127.0.0.1/x"]),
    ("00209165", "AT", ["00289110", "7FE00010"]),
]


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
@pytest.mark.parametrize(("tag", "vr", "values"), CASES)
def test_every_kind_of_value_as_pydicom_writes_it(syntax: str, tag: str, vr: str, values: Any) -> None:
    attribute = {"vr": vr, "Value": values} if values is not None else {"vr": vr}
    written = ElementEncoder(syntax, "utf-8").attribute(int(tag, 16), attribute)
    expected = Dataset.from_json({"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}, tag: attribute})
    assert encoded(expected, syntax).endswith(written)
    assert len(written) == len(encoded(expected, syntax)) - len(encoded(_only_set(), syntax))


def _only_set() -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    return made


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
@pytest.mark.parametrize(("tag", "vr", "values"), CASES)
def test_what_is_encoded_reads_back_as_the_same_json(syntax: str, tag: str, vr: str, values: Any) -> None:
    line = f'"{tag}":' + json.dumps({"vr": vr, **({} if values is None else {"Value": values})})
    line = line.replace('": {', '":{', 1)
    encoder = ElementEncoder(syntax, "utf-8")
    data = encoder.text(0x00080005, "ISO_IR 192") + encoder.line(line)
    assert encoder.line(line) == encoder.line(line)
    again = json.loads(metadata_json(scan(data, syntax, KEEP_ALL)))[tag]
    assert again["vr"] == vr
    if vr == "DS" and values:
        assert again["Value"] == pytest.approx(values)
    else:
        assert again.get("Value") == values


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_binary_values_are_in_the_order_of_the_syntax(syntax: str) -> None:
    inline = base64.b64encode(b"\1\0\2\0").decode()
    written = ElementEncoder(syntax, "ascii").attribute(0x00281201, {"vr": "OW", "InlineBinary": inline})
    assert written.endswith(b"\0\1\0\2" if syntax == SYNTAXES[2] else b"\1\0\2\0")


@pytest.mark.parametrize(
    ("number", "written"),
    [(3.0, b"3 "), (0.12345678901234567, b"0.12345678901235"), ("?", b"? ")],
)
def test_decimal_strings_are_as_short_as_they_must_be(number: object, written: bytes) -> None:
    value = ElementEncoder(SYNTAXES[0], "ascii").attribute(0x00180050, {"vr": "DS", "Value": [number]})[8:]
    assert value == written


def test_a_value_kept_elsewhere_is_empty() -> None:
    written = ElementEncoder(SYNTAXES[0], "ascii").attribute(
        0x7FE00010, {"vr": "OW", "BulkDataURI": "/7FE00010"}
    )
    assert written == b"\xe0\x7f\x10\0\0\0\0\0"


def test_what_is_too_long_for_its_representation_is_un() -> None:
    written = ElementEncoder(SYNTAXES[1], "ascii").attribute(
        0x00081030, {"vr": "LO", "Value": ["x" * 70_000]}
    )
    assert written[4:12] == b"UN\0\0" + (70_000).to_bytes(4, "little")


def test_only_what_is_wanted_of_items() -> None:
    item = {"00080100": {"vr": "SH", "Value": ["1"]}, "00080104": {"vr": "LO", "Value": ["One"]}}
    line = '"0040A043":' + json.dumps({"vr": "SQ", "Value": [item]})
    written = ElementEncoder(SYNTAXES[1], "ascii").line(line, {0x00080100: None, 0x00080102: None})
    (read,) = scan(written, SYNTAXES[1]).items(0x0040A043)
    assert {tag: read.text(tag) for tag in read} == {0x00080100: "1", 0x00080102: ""}
