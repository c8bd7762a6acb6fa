"""Items that are alike but for a UID are found without reading them, whatever else there is among them."""

from __future__ import annotations

import pytest

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import Items, scan
from kinote.dicom.elements.encodings import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from kinote.keyobject.readers.item_cache import ItemCache, Run
from tests.dicom.elements import Writer

EXPLICIT = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
SEQUENCE, UID, OTHER = 0x00081199, 0x00081155, 0x00081150


def item(
    uid: bytes, other: bytes = b"1.2.840\0", *, undefined: bool = False, writer: Writer = EXPLICIT
) -> bytes:
    return writer.item(
        writer.element(OTHER, "UI", other) + writer.element(UID, "UI", uid), undefined=undefined
    )


def sequence(*parts: bytes, undefined: bool = False) -> Items:
    return scan(EXPLICIT.sequence(SEQUENCE, *parts, undefined=undefined), EXPLICIT_VR_LITTLE_ENDIAN).sequence(
        SEQUENCE
    )


def found(alike: ItemCache[str], items: Items) -> list[tuple[str | None, list[bytes]]]:
    return [(run.value, run.uids) for run in alike.runs(items)]


@pytest.mark.parametrize("undefined", [False, True])
def test_items_are_alike_only_where_all_but_the_uid_is_equal(undefined: bool) -> None:
    alike: ItemCache[str] = ItemCache()
    alike.learn(item(b"1.2.3.4\0", undefined=undefined), EXPLICIT_LITTLE, b"1.2.3.4\0", "first")
    items = sequence(
        item(b"9.8.7.6\0", undefined=undefined),
        item(b"9.8.7.65", undefined=undefined),
        item(b"9.8.7.65", b"1.2.841\0", undefined=undefined),
        item(b"9.8.7\0", undefined=undefined),
        item(b"9.8.7.66", undefined=not undefined),
        item(b"9.8.7.67", undefined=undefined),
        undefined=undefined,
    )
    assert found(alike, items) == [
        ("first", [b"9.8.7.6\0", b"9.8.7.65"]),
        *[(None, [])] * 3,
        ("first", [b"9.8.7.67"]),
    ]


def test_each_item_of_a_run_is_found_at_its_place() -> None:
    alike: ItemCache[str] = ItemCache()
    alike.learn(item(b"1.2.3.4\0"), EXPLICIT_LITTLE, b"1.2.3.4\0", "first")
    uids = [b"9.8.7.65", b"9.8", b"9.8.7.66", b"9.8.7.67", b"9.8.7.68"]
    items = sequence(*map(item, uids))

    def read(run: Run[str], nth: int) -> tuple[int, bytes | None]:
        return run.first + nth, items.at(run.place(nth)).raw(UID)

    read_ones = [read(run, nth) for run in alike.runs(items) for nth in range(len(run.uids) or 1)]
    assert read_ones == list(enumerate(uids))


def test_what_is_learnt_of_an_item_is_known_of_those_after_it() -> None:
    alike: ItemCache[str] = ItemCache()
    items = sequence(item(b"9.8.7.65"), item(b"9.8.7.66"), item(b"9.8.7.67"))
    runs = []
    for run in alike.runs(items):
        runs.append((run.value, run.uids))
        if run.value is None:
            read = items.at(run.place(0))
            alike.learn(read.sent_whole, read.encoding, read.raw(UID), "learnt")
    assert runs == [(None, []), ("learnt", [b"9.8.7.66", b"9.8.7.67"])]


def test_items_of_another_encoding_are_not_alike() -> None:
    alike: ItemCache[str] = ItemCache()
    alike.learn(item(b"1.2.3.4\0"), IMPLICIT_LITTLE, b"1.2.3.4\0", "other")
    assert found(alike, sequence(item(b"9.8.7.65"))) == [(None, [])]


def test_a_uid_that_stands_twice_tells_nothing() -> None:
    alike: ItemCache[str] = ItemCache()
    alike.learn(item(b"1.2.3.4\0", b"1.2.3.4\0"), EXPLICIT_LITTLE, b"1.2.3.4\0", "twice")
    assert found(alike, sequence(item(b"9.8.7.65", b"1.2.3.4\0"))) == [(None, [])]


def test_of_items_of_a_length_the_last_few_kinds_are_known() -> None:
    alike: ItemCache[str] = ItemCache()
    classes = [b"1.2.%d" % number for number in range(100, 120)]
    for class_uid in classes:
        alike.learn(item(b"9.8", class_uid), EXPLICIT_LITTLE, b"9.8", class_uid.decode())
    known = found(alike, sequence(*(item(b"7.6", class_uid) for class_uid in classes)))
    assert [said for said, _ in known] == [None] * 16 + [one.decode() for one in classes[16:]]


def test_items_of_all_lengths_are_known_up_to_a_bound() -> None:
    alike: ItemCache[str] = ItemCache(capacity=3)
    classes = [b"1.2." + b"3" * 2 * number for number in range(1, 11)]
    for class_uid in classes:
        alike.learn(item(b"9.8", class_uid), EXPLICIT_LITTLE, b"9.8", class_uid.decode())
    known = found(alike, sequence(*(item(b"7.6", class_uid) for class_uid in classes)))
    assert [said is not None for said, _ in known] == [False] * 9 + [True]


def test_a_sequence_implicitly_encoded_and_one_that_is_empty() -> None:
    alike: ItemCache[str] = ItemCache()
    writer = Writer(IMPLICIT_VR_LITTLE_ENDIAN)
    alike.learn(item(b"1.2.3.4\0", writer=writer), IMPLICIT_LITTLE, b"1.2.3.4\0", "first")
    data = writer.sequence(SEQUENCE, item(b"9.8.7.65", writer=writer))
    assert found(alike, scan(data, IMPLICIT_VR_LITTLE_ENDIAN).sequence(SEQUENCE)) == [
        ("first", [b"9.8.7.65"])
    ]
    assert found(alike, sequence()) == []
