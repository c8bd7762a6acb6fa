"""Markdown of the statement: sections with a level, tables, and names of the standard's registries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import keyword_for_tag

from kinote.dicom.dictionary import sop_classes

#: Transfer syntaxes of PS3.6 table A-1 that pydicom's dictionary lacks. Other packages may have added them to it.
_LATER_SYNTAXES = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its title, its paragraphs and tables in Markdown, and the sections below it."""

    title: str
    blocks: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()


def written(sections: Sequence[Section], level: int = 2, number: str = "") -> str:
    """Return sections as Markdown, numbered from 1 at each level, as PS3.2 numbers them."""
    parts: list[str] = []
    for count, section in enumerate(sections, 1):
        own = f"{number}{count}"
        heading = f"{'#' * level} {own}{'.' if level == 2 else ''} {section.title}"
        parts += [heading, *section.blocks]
        if section.sections:
            parts.append(written(section.sections, level + 1, f"{own}."))
    return "\n\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [_row(head), "|" + "---|" * len(head)]
    return "\n".join([*lines, *(_row(cells) for cells in rows)])


def transfer_syntax_names() -> dict[str, str]:
    """Return the names of the transfer syntaxes of PS3.6 by UID."""
    known = {uid: name for uid, (name, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax"}
    return dict(sorted({**known, **_LATER_SYNTAXES}.items()))


def uid_name(uid: str) -> str:
    """Return the name that PS3.6 has for a UID, else the UID."""
    if uid in _LATER_SYNTAXES:
        return _LATER_SYNTAXES[uid]
    known = UID_dictionary.get(uid)
    return known[0] if known else sop_classes.name(uid)


def attribute(path: Sequence[int]) -> str:
    """Return the keywords of an attribute and of the sequences around it, with the tag of the last."""
    group, element = divmod(path[-1], 0x10000)
    return f"{' > '.join(keyword_for_tag(tag) for tag in path)} ({group:04X},{element:04X})"


def yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
