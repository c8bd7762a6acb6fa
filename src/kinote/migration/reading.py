"""Reads exported tables as rows, from pieces of bytes, in bounded memory: CSV (RFC 4180) and JSON Lines, in UTF-8."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from kinote.migration.mapping import Mapping, MappingError, mapping_of
from kinote.migration.rows import COLUMNS, LegacyRow

Format = Literal["csv", "jsonl"]

#: The longest line of a table, in bytes.
LONGEST_LINE = 1024 * 1024

_LONGEST_KEY = 255


class FormatError(ValueError):
    """The file is not a table of notes. The message says why."""


class TableReader:
    """The rows of one table. The content of its head is known once the first row has been read.

    JSON Lines may begin with an object that has a `mapping` and no note. `line` in a later object is the origin of the
    row, if it came from another file. `problem` is a sentence about a row that its writer could not read.
    """

    def __init__(self, pieces: Iterable[bytes], written: Format) -> None:
        self._lines = _lines(pieces)
        self._written = written
        self.mapping: Mapping | None = None
        self.unknown_columns: list[str] = []

    def __iter__(self) -> Iterator[LegacyRow]:
        """Yield the rows in their order. Raises `FormatError`."""
        return self._csv() if self._written == "csv" else self._json_lines()

    def _csv(self) -> Iterator[LegacyRow]:
        # One physical line at a time: a quoted field may span several.
        csv.field_size_limit(LONGEST_LINE)
        # Strict: otherwise an unclosed quote would make one field of all rows up to the next quote.
        reader = csv.reader((text for _, text in self._lines), strict=True)
        header = next(_parsed(reader), None)
        if isinstance(header, str) or not header:
            raise FormatError("The file is empty, or its first line cannot be read: it names the columns.")
        names = [name.strip().lower() for name in header]
        if "note" not in names or "sop_instance_uid" not in names:
            raise FormatError(
                "The first line must name the columns, among them note and sop_instance_uid; it has: "
                f"{', '.join(names)[:200]}."
            )
        if len(set(names)) < len(names):
            raise FormatError("The first line names a column twice.")
        self.unknown_columns = [name for name in names if name not in COLUMNS]
        line = reader.line_num + 1
        for values in _parsed(reader):
            if isinstance(values, str):
                yield LegacyRow(line, problem=values)
            elif values and len(values) != len(names):
                key = values[names.index("note")].strip() if names.index("note") < len(values) else ""
                yield _unread(
                    line,
                    key,
                    f"The row has {len(values)} values, and there are {len(names)} columns.",
                )
            elif any(value.strip() for value in values):
                yield _row(line, dict(zip(names, values, strict=True)))
            line = reader.line_num + 1

    def _json_lines(self) -> Iterator[LegacyRow]:
        unknown: dict[str, None] = {}
        for line, text in self._lines:
            if not text.strip():
                continue
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):
                yield LegacyRow(line, problem="The line is no JSON object.")
                continue
            if not isinstance(found, dict):
                yield LegacyRow(line, problem="The line is no JSON object.")
                continue
            if "mapping" in found and "note" not in found:
                try:
                    self.mapping = mapping_of(found["mapping"])
                except MappingError as error:
                    raise FormatError(f"mapping: {error}") from error
                continue
            problem = found.pop("problem", "")
            where = found.pop("line", line)
            for name in found:
                if name not in COLUMNS and len(unknown) < len(COLUMNS):
                    unknown[str(name)[:60]] = None
            self.unknown_columns = list(unknown)
            at = where if isinstance(where, int) and not isinstance(where, bool) else line
            if problem:
                yield _unread(at, str(found.get("note") or "").strip(), str(problem)[:500])
            else:
                yield _row(at, found)


def _row(line: int, values: dict[str, Any]) -> LegacyRow:
    texts: dict[str, str] = {}
    wrong = ""
    for name in COLUMNS:
        value = values.get(name)
        if value in (None, ""):
            continue
        text = _text(value)
        if text is None:
            wrong = wrong or f"{name}: write a text, a number, or a list of these."
        elif _NOT_KEPT.search(text):
            wrong = wrong or f"{name}: control characters (NUL) or halves of characters cannot be kept."
        else:
            texts[name] = text
    key = texts.get("note", "")
    if wrong:
        return _unread(line, key, wrong)
    if not key:
        return LegacyRow(line, problem="note: the row has no key of its note.")
    if not _is_key(key):
        return LegacyRow(line, problem=f"note: a key has at most {_LONGEST_KEY} printable characters.")
    return LegacyRow(line, **texts)


def _unread(line: int, key: str, problem: str) -> LegacyRow:
    """Return a row for one that cannot be read, with the key of its note if that is known."""
    return LegacyRow(line, note=key if _is_key(key) else "", problem=_NOT_KEPT.sub("?", problem))


def _is_key(key: str) -> bool:
    return len(key) <= _LONGEST_KEY and key.isprintable()


#: Characters that no index stores: NUL, and surrogates, which JSON can hold and UTF-8 cannot.
_NOT_KEPT = re.compile("[\x00\ud800-\udfff]")


def _text(value: object) -> str | None:
    """Return a value as text; None if it is nested. Lists (frames, modifiers) take their CSV form."""
    if isinstance(value, list):
        parts = [_one(each) for each in value]
        return None if None in parts else ";".join(part for part in parts if part is not None)
    return _one(value)


def _one(value: object) -> str | None:
    if isinstance(value, dict):
        parts = [value.get(name, "") for name in ("scheme", "value", "meaning")]
        return None if any(isinstance(each, list | dict) for each in parts) else "|".join(map(str, parts))
    if isinstance(value, list):
        return None
    return str(value).strip() if value is not None else ""


def _parsed(reader: Any) -> Iterator[list[str] | str]:
    """Yield the records of a CSV reader, and a sentence in place of an unreadable one."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield f"The row cannot be read: {error}."


def _lines(pieces: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers. Raises `FormatError` for a line without end, and for another
    encoding.
    """
    left = b""
    number = 0
    for piece in pieces:
        left += piece
        *whole, left = left.split(b"\n")
        for line in whole:
            number += 1
            yield number, _decoded(line + b"\n", number)
        if len(left) > LONGEST_LINE:
            raise FormatError(f"Line {number + 1} is longer than {LONGEST_LINE:,} bytes.")
    if left:
        yield number + 1, _decoded(left, number + 1)


def _decoded(line: bytes, number: int) -> str:
    if len(line) > LONGEST_LINE:
        raise FormatError(f"Line {number} is longer than {LONGEST_LINE:,} bytes.")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"Line {number} is not UTF-8, from byte {error.start + 1} on; convert the file, e.g. with iconv."
        ) from error
