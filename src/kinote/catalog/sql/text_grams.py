"""The n-grams of text search, the same on both databases.

Text is folded (NFKC, case) and cut into overlapping pairs of characters, which serves words of any
script without knowing where words end. An index finds the rows that hold all pairs of what was asked;
the folded text itself then decides.
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise

#: What one row puts into the index at most; a description of a megabyte is found by its beginning.
MAX_CHARACTERS = 4000


def words(text: str) -> list[str]:
    """The words of a text as they are compared in searches: in compatibility form (NFKC) and without case."""
    return unicodedata.normalize("NFKC", text).casefold().split()


def fold(text: str) -> str:
    """A text as it is compared in searches: its `words`, with one blank between them."""
    return " ".join(words(text))


def grams(folded: str) -> list[str]:
    """The distinct pairs of neighbouring characters of a folded text, as index tokens.

    Characters are written as hexadecimal code points, so that no tokenizer sees anything but ASCII
    letters and digits.
    """
    points = [f"{ord(character):x}x" for character in folded[:MAX_CHARACTERS]]
    return sorted({first + second for first, second in pairwise(points)})
