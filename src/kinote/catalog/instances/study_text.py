"""Free-text search for studies: patient name and ID, accession number, description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_

from kinote.catalog.schema.tables import study
from kinote.catalog.sql.text_grams import fold, grams, words
from kinote.catalog.sql.text_index import STUDY_TEXT

#: How many words are looked for at once: each is a condition of its own, and databases bound their number.
MAX_WORDS = 32

_COLUMNS = (
    "patient_name_alphabetic",
    "patient_name_ideographic",
    "patient_name_phonetic",
    "patient_id",
    "accession_number",
    "study_description",
)


def index_study_text(transaction: Connection, studies: Iterable[Mapping[str, Any]]) -> None:
    """Make these rows of `study` findable by free text."""
    STUDY_TEXT.fill(transaction, [(row["id"], folded := _searched(row), grams(folded)) for row in studies])


def is_too_long(asked: str) -> bool:
    """Return whether more words are asked for than are looked for at once."""
    return len(words(asked)) > MAX_WORDS


def matches(connection: Connection, asked: str) -> ColumnElement[bool]:
    """Return the condition on `study` that each word asked for is the beginning of a word in the study's text."""
    return and_(
        *(STUDY_TEXT.finds(connection, study.c.id, f" {word}", grams(f" {word}")) for word in words(asked))
    )


def _searched(row: Mapping[str, Any]) -> str:
    # With the leading blank, the beginning of the first word is found like that of any other word.
    return " " + " ".join(fold(row[name].replace("^", " ")) for name in _COLUMNS if row[name])
