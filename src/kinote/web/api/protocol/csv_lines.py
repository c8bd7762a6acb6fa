"""Lines of CSV (RFC 4180) that spreadsheets show literally."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

#: With one of these at its beginning, a spreadsheet evaluates a text as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_line(cells: Sequence[object]) -> bytes:
    """Return a line in UTF-8. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    line = io.StringIO()
    csv.writer(line).writerow([_plain(cell) for cell in cells])
    return line.getvalue().encode()


def _plain(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
