"""What is collected: rows of the table of notes, and what cannot be carried over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kinote.migration.rows import COLUMNS

#: A row of the table (docs/migration.md), by the names of its columns.
Row = dict[str, str]

#: The title of a mark that has none: Of Interest (CID 7010).
OF_INTEREST = "113000"


@dataclass(slots=True)
class Found:
    """What a file has: rows, and a sentence about each thing that cannot be carried over."""

    rows: list[Row] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def row(**values: str) -> Row:
    """Return a row without its empty columns."""
    assert set(values) <= set(COLUMNS)
    return {name: value for name, value in values.items() if value}


def frames_text(numbers: Iterable[int]) -> str:
    """Return numbers of frames, from 1, as the table has them."""
    return " ".join(str(number) for number in numbers)
