"""Plain tables, and the marks of a distribution that stand in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

Cell = str | int | float | None


@dataclass(slots=True)
class Table:
    """Rows under a head; the first column is text, the others are figures."""

    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        self.rows.append(cells)

    def show(self, title: str) -> None:
        """Print the table under its title."""
        written = [self.columns, *(tuple(map(_written, row)) for row in self.rows)]
        widths = [max(len(row[at]) for row in written) for at in range(len(self.columns))]
        print(f"\n{title}")
        for row in written:
            figures = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
            print("  ".join((row[0].ljust(widths[0]), *figures)), flush=True)


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least this part of all values does not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(part * len(values)) - 1, 0)]


def ratio(ours: float, theirs: float) -> str:
    """How many times ours is theirs."""
    return f"{ours / theirs:.2f} x" if theirs else "-"


def _written(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return str(cell)
