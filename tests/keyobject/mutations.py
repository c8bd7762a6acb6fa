"""Data sets taken apart into elements, and put together again with something wrong.

A mutation is a kind, a place and an argument, all small numbers, so that Hypothesis finds the fewest and simplest
that make a test fail. Every mutation can be applied to every data set: places count round.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.elements.dataset import DataSet, scan
from tests.dicom.elements import UNDEFINED, Writer

SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)


@dataclass(slots=True)
class Node:
    """An element: its value, or its items; what is wrong with its head stands beside."""

    tag: int
    vr: str
    value: bytes = b""
    items: list[list[Node]] | None = None
    undefined: bool = False
    #: Added to the length that its head says.
    surplus: int = 0


@dataclass(slots=True)
class Tree:
    """A data set as elements, and what becomes of its bytes."""

    elements: list[Node]
    syntax: str = EXPLICIT_VR_LITTLE_ENDIAN
    #: Done to the bytes at the end.
    cuts: list[Callable[[bytes], bytes]] = field(default_factory=list)

    def encoded(self) -> bytes:
        syntax = self.syntax
        plain = EXPLICIT_VR_LITTLE_ENDIAN if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else syntax
        data = _written(self.elements, Writer(plain))
        if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            data = packer.compress(data) + packer.flush()
        for cut in self.cuts:
            data = cut(data)
        return data

    def levels(self) -> list[list[Node]]:
        """The root and all items, from the root on."""
        return list(_levels(self.elements))

    def nodes(self) -> list[Node]:
        return [node for level in self.levels() for node in level]

    def sequences(self) -> list[Node]:
        return [node for node in self.nodes() if node.items is not None]


def taken_apart(data: bytes) -> Tree:
    """A sound data set in Explicit VR Little Endian as elements."""
    return Tree(_nodes(scan(data, EXPLICIT_VR_LITTLE_ENDIAN)))


def _nodes(dataset: DataSet) -> list[Node]:
    nodes = []
    for tag in dataset:
        vr = dataset.vr(tag) or "UN"
        if vr == "SQ":
            nodes.append(Node(tag, vr, items=[_nodes(item) for item in dataset.items(tag)]))
        else:
            nodes.append(Node(tag, vr, dataset.raw(tag) or b""))
    return nodes


def _levels(level: list[Node]) -> Iterator[list[Node]]:
    yield level
    for node in level:
        for item in node.items or ():
            yield from _levels(item)


def _written(level: list[Node], writer: Writer) -> bytes:
    parts = []
    for node in level:
        if node.items is None:
            length = _fitted(node.vr, max(0, len(node.value) + node.surplus))
            parts.append(writer.element(node.tag, node.vr, node.value, length))
            continue
        items = [
            writer.item(_written(item, writer), undefined=node.undefined ^ bool(number % 2))
            for number, item in enumerate(node.items)
        ]
        content = b"".join(items)
        if node.undefined:
            end = b"" if node.surplus else writer.mark(0xE0DD, 0)
            parts.append(writer.element(node.tag, node.vr, content, _fitted(node.vr, UNDEFINED)) + end)
        else:
            length = _fitted(node.vr, max(0, len(content) + node.surplus))
            parts.append(writer.element(node.tag, node.vr, content, length))
    return b"".join(parts)


_LONG = {"OB", "OW", "OF", "OD", "OL", "OV", "UN", "SQ", "UC", "UR", "UT", "SV", "UV"}


def _fitted(vr: str, length: int) -> int:
    return length & (0xFFFFFFFF if vr in _LONG else 0xFFFF)


# --- what can be wrong: (tree, place, argument) ---------------------------------------------------------


def _chosen(nodes: list[Node], place: int) -> Node | None:
    return nodes[place % len(nodes)] if nodes else None


def drop_element(tree: Tree, place: int, argument: int) -> None:
    level = tree.levels()[place % len(tree.levels())]
    if level:
        del level[argument % len(level)]


def repeat_element(tree: Tree, place: int, argument: int) -> None:
    level = tree.levels()[place % len(tree.levels())]
    if level:
        level.append(level[argument % len(level)])


def swap_elements(tree: Tree, place: int, argument: int) -> None:
    level = tree.levels()[place % len(tree.levels())]
    if len(level) > 1:
        one, other = place % len(level), argument % len(level)
        level[one], level[other] = level[other], level[one]


def move_element(tree: Tree, place: int, argument: int) -> None:
    """An element of one level stands in another, too. Not within itself: that would have no end."""
    node = _chosen([node for node in tree.nodes() if node.items is None], place)
    if node is not None:
        tree.levels()[argument % len(tree.levels())].append(node)


def other_tag(tree: Tree, place: int, argument: int) -> None:
    nodes = tree.nodes()
    if nodes:
        nodes[place % len(nodes)].tag = nodes[argument % len(nodes)].tag


def strange_tag(tree: Tree, place: int, argument: int) -> None:
    if node := _chosen(tree.nodes(), place):
        node.tag = _TAGS[argument % len(_TAGS)]


def other_vr(tree: Tree, place: int, argument: int) -> None:
    if node := _chosen(tree.nodes(), place):
        node.vr = _VRS[argument % len(_VRS)]


def other_value(tree: Tree, place: int, argument: int) -> None:
    if node := _chosen([node for node in tree.nodes() if node.items is None], place):
        node.value = _VALUES[argument % len(_VALUES)]


def value_of_another(tree: Tree, place: int, argument: int) -> None:
    plain = [node for node in tree.nodes() if node.items is None]
    if plain:
        plain[place % len(plain)].value = plain[argument % len(plain)].value


def one_byte(tree: Tree, place: int, argument: int) -> None:
    node = _chosen([node for node in tree.nodes() if node.value], place)
    if node:
        at = argument // 256 % len(node.value)
        node.value = node.value[:at] + bytes([argument % 256]) + node.value[at + 1 :]


def wrong_length(tree: Tree, place: int, argument: int) -> None:
    if node := _chosen(tree.nodes(), place):
        node.surplus = _SURPLUS[argument % len(_SURPLUS)]


def undefined_length(tree: Tree, place: int, argument: int) -> None:
    if node := _chosen(tree.sequences(), place):
        node.undefined = not node.undefined


def drop_item(tree: Tree, place: int, argument: int) -> None:
    if (node := _chosen(tree.sequences(), place)) and node.items:
        del node.items[argument % len(node.items)]


def repeat_item(tree: Tree, place: int, argument: int) -> None:
    if (node := _chosen(tree.sequences(), place)) and node.items:
        node.items += [node.items[argument % len(node.items)]] * (1 + argument % 40)


def swap_items(tree: Tree, place: int, argument: int) -> None:
    if (node := _chosen(tree.sequences(), place)) and node.items:
        one, other = place % len(node.items), argument % len(node.items)
        node.items[one], node.items[other] = node.items[other], node.items[one]


def items_of_another(tree: Tree, place: int, argument: int) -> None:
    """One sequence has the items of another, which is not within it."""
    sequences = tree.sequences()
    if len(sequences) > 1:
        one, other = sequences[place % len(sequences)], sequences[argument % len(sequences)]
        within = {id(node) for item in other.items or () for level in _levels(item) for node in level}
        if id(one) not in within:
            one.items = [list(item) for item in other.items or ()]


def nest(tree: Tree, place: int, argument: int) -> None:
    """The items of a sequence within as many more of its kind."""
    if node := _chosen(tree.sequences(), place):
        for _ in range(1 + argument % 30):
            node.items = [[Node(node.tag, "SQ", items=node.items)]]


def value_for_items(tree: Tree, place: int, argument: int) -> None:
    if node := _chosen(tree.sequences(), place):
        node.items = None
        node.value = _VALUES[argument % len(_VALUES)]


def items_for_value(tree: Tree, place: int, argument: int) -> None:
    if node := _chosen([node for node in tree.nodes() if node.items is None], place):
        node.items = [[Node(node.tag, node.vr, node.value)]] * (argument % 3)
        node.vr = ("SQ", node.vr, "UN")[argument % 3]


def other_syntax(tree: Tree, place: int, argument: int) -> None:
    tree.syntax = SYNTAXES[argument % len(SYNTAXES)]


def cut_off(tree: Tree, place: int, argument: int) -> None:
    tree.cuts.append(lambda data: data[: len(data) - 1 - argument % max(len(data), 1)] if data else data)


def strange_end(tree: Tree, place: int, argument: int) -> None:
    end = _VALUES[argument % len(_VALUES)]
    tree.cuts.append(lambda data: data + end)


def one_byte_anywhere(tree: Tree, place: int, argument: int) -> None:
    def change(data: bytes) -> bytes:
        at = place * 7919 % max(len(data), 1)
        return data[:at] + bytes([argument % 256]) + data[at + 1 :]

    tree.cuts.append(change)


MUTATIONS = (
    drop_element,
    repeat_element,
    swap_elements,
    move_element,
    other_tag,
    strange_tag,
    other_vr,
    other_value,
    value_of_another,
    one_byte,
    wrong_length,
    undefined_length,
    drop_item,
    repeat_item,
    swap_items,
    items_of_another,
    nest,
    value_for_items,
    items_for_value,
    other_syntax,
    cut_off,
    strange_end,
    one_byte_anywhere,
)

#: Private, group length, of file meta information, items and their ends out of place, pixels, of key objects.
_TAGS = (
    *(0x00091001, 0x00090010, 0x00400000, 0x00020010, 0x00000000, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD),
    *(0x7FE00010, 0xFFFFFFFF, 0xFFFCFFFC, 0x0040A730, 0x0040DB73, 0x0040A375, 0x00081199, 0x00081160),
)
_VRS = (
    "SQ",
    "UN",
    "OB",
    "UT",
    "US",
    "FD",
    "PN",
    "UI",
    "CS",
    "IS",
    "DS",
    "AT",
    "LO",
    "??",
    "\0\0",
    "sq",
    "OW",
)
_SURPLUS = (2, -2, 1, -1, 8, -8, 64, 65536, 2**31, 0xFFFFFFF0)
_VALUES = (
    b"",
    b"\0",
    b" ",
    bytes(8),
    bytes(3000),
    b"1.2.3.4.1\0",
    b"1.2.840.10008.5.1.4.1.1.88.59\0",
    b"1.02.3",
    b"-1\\0\\99999999999999999999\\1e5\\nan\\",
    b"\\" * 60,
    b"9" * 400,
    b"IMAGE ",
    b"CONTAINER ",
    b"TEXT",
    b"CODE",
    b"HAS OBS CONTEXT ",
    b"ISO 2022 IR 6\\ISO 2022 IR 87",
    b"GB18030 ",
    b"\x1b$B;3ED\x1b(B\x1b$)C\xb1",
    "ﾔﾏﾀﾞ=山田^太郎=やまだ".encode("shift_jis"),
    b"\xed\xa0\x80\xff\xfe\xc3",
    "Überblick 🫁".encode(),
    b"a=b=c=d^e^f^g^h^i^j",
    b"20261131",
    b"246061.9999999",
    b"+9900",
    b"113001",
    b"113013",
    b"121049",
    b"DCM ",
    b"urn:oid:1.2 ",
    struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) * 3,
    struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) * 2,
    struct.pack("<HHIHHI", 0xFFFE, 0xE000, 4, 0x0040, 0xA730, 0),
)
