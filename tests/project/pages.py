"""The pages of `docs/` as tests read them: tables below headings, and what is typed in code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.project.sources import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

Row = tuple[str, ...]


def sections(name: str) -> dict[str, str]:
    """The text below each heading of a page of `docs/`, by heading, without the code marks in it."""
    parts = re.split(r"^#+ (.+)$", (ROOT / "docs" / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {heading.replace("`", ""): text for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def rows(text: str) -> list[Row]:
    """The cells of all tables in a text, without their heads."""
    lines = text.splitlines()
    return [
        tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")))
        for before, line in zip(["", *lines], lines, strict=False)
        if line.startswith("|") and before.startswith("|") and not line.startswith("|--")
    ]


def names(cell: str) -> list[str]:
    """What stands in code marks."""
    return re.findall(r"`([^`]+)`", cell)


def first_names(text: str) -> list[str]:
    """The names in the first column of all tables in a text."""
    return [name for row in rows(text) for name in names(row[0])]


def blocks(page: Path, language: str = "") -> Iterator[str]:
    """The code blocks of a page, of one language or of all."""
    text = page.read_text(encoding="utf-8")
    for fence, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        if language in ("", fence):
            yield block
