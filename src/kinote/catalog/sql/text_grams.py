"""The n-grams of text search, the same on both databases.

Text is folded (NFKC, case) and cut into overlapping pairs of characters. This works for words of any script without
knowing where words end. An index finds the rows that contain all pairs of the searched text, and then the folded
text itself decides.
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise

#: How much of a text is indexed. A description of a megabyte is found by its beginning.
MAX_CHARACTERS = 4000


def words(text: str) -> list[str]:
    """Return the words of a text in the form that searches compare: in compatibility form (NFKC) and without case."""
    return unicodedata.normalize("NFKC", text).casefold().split()


def fold(text: str) -> str:
    """Return a text in the form that searches compare: its `words`, with one blank between them."""
    return " ".join(words(text))


def grams(folded: str) -> list[str]:
    """Return the distinct pairs of neighbouring characters of a folded text, as index tokens.

    Characters are written as hexadecimal code points, so that tokenizers see only ASCII letters and digits.
    """
    points = [f"{ord(character):x}x" for character in folded[:MAX_CHARACTERS]]
    return sorted({first + second for first, second in pairwise(points)})
