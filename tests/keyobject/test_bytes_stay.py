"""Law 11 across releases: what the writer gave a document once, it gives it for as long as its version stands.

The digests were made by the writer of version 2. Where they change, `WRITER_VERSION` does.
"""

from __future__ import annotations

import hashlib

import pytest

from kinote.keyobject.codes import Code
from kinote.keyobject.model import (
    Device,
    InstanceReference,
    KeyObjectDocument,
    KeyObjectSelection,
    Person,
    Reference,
    RequestReference,
)
from kinote.keyobject.titles import OF_INTEREST
from kinote.keyobject.writer import WRITER_VERSION, encode
from tests.keyobject.documents import COPIED, CT, copies, instance, plain_context, with_title
from tests.keyobject.kinds import kinds

#: Codes at the bounds of the three code value attributes (PS3.3 8.1, 8.8).
CODES = (
    "P1",
    "編",
    "sixteen-letters!",
    "seventeen-letters",
    "a-code-value-of-more-than-sixteen-characters",
    "urn:oid:1.2.3",
    "urn:oid:1.2.3.45",
    "urn:oid:1.2.3.456",
    "urn:é",
    "http:x",
    "https://example.org/codes?id=7#note",
)
#: What studies were received with, faults and all.
COPIES = ("", " ", " led and trailed ", "a\\b\\ c", "\0", "a\0b\0", "\x1b$B", "é", "午前", "x" * 4001)
NAMES = ("", "A^B^C^^", "Yamada^Tarou=山田^太郎=やまだ^たろう", "=山田", "A\\B=C ", "A=B=C=D", "^^", "\0 ")


def documents() -> dict[str, KeyObjectDocument]:
    return {
        **kinds(),
        **{f"code {value}": with_title(Code(value, "99編", f"means {value}")) for value in CODES},
        **{f"copied {value[:20]!r}": _copied(value) for value in COPIES},
        **{f"named {value!r}": _named(value) for value in NAMES},
        "observed": _observed(),
        "of many": _of_many(),
    }


def _copied(value: str) -> KeyObjectDocument:
    request = RequestReference("1.2.3", value, value, value, value, value)
    texts = [name for name in COPIED if name not in ("patient_name", "referring_physician_name")]
    context = plain_context(**dict.fromkeys(texts, value), requests=(request, request))
    return KeyObjectDocument(context, KeyObjectSelection(OF_INTEREST, (Reference(instance(1)),)))


def _named(value: str) -> KeyObjectDocument:
    context = plain_context(patient_name=value, referring_physician_name=value)
    return KeyObjectDocument(context, KeyObjectSelection(OF_INTEREST, (Reference(instance(1)),)))


def _observed() -> KeyObjectDocument:
    observers = (
        Person("Yamada^Tarou=山田^太郎"),
        Device("1.2.34"),
        Device("1.2.9", "編"),
        Person("x", "odd"),
    )
    selection = KeyObjectSelection(
        OF_INTEREST, (Reference(instance(1)),), description="á\r\n\\", language="tlh", observers=observers
    )
    return KeyObjectDocument(plain_context(series_description="odd", manufacturer=""), selection)


def _of_many() -> KeyObjectDocument:
    studies = ("1.2.3", "1.2.7", "2.25.12345")
    references = [
        Reference(InstanceReference(study, f"{study}.{number % 3}", CT, f"{study}.9.{number}"))
        for number in range(400)
        for study in studies
    ]
    context = plain_context(identical_documents=copies(*studies[1:]), series_number=2**31 - 1)
    return KeyObjectDocument(context, KeyObjectSelection(OF_INTEREST, tuple(references)))


#: By document the beginning of the SHA-256 of its bytes.
DIGESTS: dict[str, str] = {
    "plain": "3cfd3a2a4d8538722b92",
    "without text": "ae69642779ead4be9e47",
    "of everything": "122a12b1d1ca0ad84319",
    "over two studies": "89f5b4f9bcd881833f99",
    "best in set": "dc75541cc3adb1313e43",
    "many": "c5f84e494beeb1bfc368",
    "code P1": "0582afd4d7838e0f82ef",
    "code 編": "6b91aaeacb1a9c255b71",
    "code sixteen-letters!": "c8b0376723dbc69048e3",
    "code seventeen-letters": "87710697f39d1b8a4fa7",
    "code a-code-value-of-more-than-sixteen-characters": "8a8ac13ced4412f1068b",
    "code urn:oid:1.2.3": "6fc310ee829b7860785c",
    "code urn:oid:1.2.3.45": "110574640a64f421c113",
    "code urn:oid:1.2.3.456": "9fbec602ed2bfd9fc665",
    "code urn:é": "0dd3e3170e1acad75982",
    "code http:x": "8ba0df46568ecf45ec05",
    "code https://example.org/codes?id=7#note": "c941823875a4147f9edb",
    "copied ''": "2f9f87b32cf11b1e17ef",
    "copied ' '": "c086b8736386c6cdaa14",
    "copied ' led and trailed '": "64fc3080250081fde2ea",
    "copied 'a\\\\b\\\\ c'": "a5891fa114b0e0948788",
    "copied '\\x00'": "3adf4a0aa3739358bf63",
    "copied 'a\\x00b\\x00'": "46a862483fbb1d745826",
    "copied '\\x1b$B'": "4f016190eb68c1f909cb",
    "copied 'é'": "e57db137060b86bb4c7b",
    "copied '午前'": "65ee947b00117e079970",
    "copied 'xxxxxxxxxxxxxxxxxxxx'": "d73181e4be15ffa9c900",
    "named ''": "b3e0d3a1dfff5056d995",
    "named 'A^B^C^^'": "f9d908a3d20fce67d3fb",
    "named 'Yamada^Tarou=山田^太郎=やまだ^たろう'": "9bcff99c30624b74b4d6",
    "named '=山田'": "1d76cab588dfa51a626f",
    "named 'A\\\\B=C '": "302c2bcda72d2ce10072",
    "named 'A=B=C=D'": "e570b506470524ea2337",
    "named '^^'": "85c6e0c93da965fe40ff",
    "named '\\x00 '": "10d7029874e4847ee2c9",
    "observed": "48285662b0da8da6c517",
    "of many": "791325bd21c5674f9f87",
}


def test_law_11_all_documents_have_their_digest() -> None:
    assert DIGESTS.keys() == documents().keys()
    assert WRITER_VERSION == 2


@pytest.mark.parametrize("name", DIGESTS)
def test_law_11_bytes_stay_what_they_were(name: str) -> None:
    assert hashlib.sha256(encode(documents()[name])).hexdigest()[:20] == DIGESTS[name]
