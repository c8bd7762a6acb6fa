"""Docstrings of functions begin with a verb, and comments avoid phrases that have proved hard to read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.sources import PACKAGE

ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))

FILES = [
    path
    for room in ROOMS
    for path in sorted((PACKAGE / room).rglob("*.py"))
    # Migrations that have landed are never changed.
    if "migrations" not in path.parts
]

#: A function does something; these begin a description of a thing, or a riddle.
NOT_A_VERB = re.compile(
    r"(?:An?|The|These|Those|All|Each|What|Whether|Where|Which|Who|Whose|How|That|Why|When|By|Of|For|From|As)\b"
)

#: Each with what to write instead.
HARD_TO_READ = {
    r"\b(?:is|are|was|were) let pass\b": "is skipped, is ignored",
    r"\b(?:be|been) let pass\b": "be skipped, be ignored",
    r"\bwhat becomes? of\b": "the outcome of",
    r"\bhas become of\b": "happened to",
    r"\bin (?:its|the|their)(?: very| own)? words\b": "literally",
    r"\bis off\b": "is wrong",
    r"\bdone anew\b": "repeated",
    r"\bas it stands\b": "as written, unchanged",
    r"\bnobody is to\b": "nobody must",
    r"\b(?:does|do) not come about\b": "fails",
    r"\bgives? (?:the|their|its) number\b": "returns the number",
    r"(?:; gives the |\bgives how )": ". Return",
    r"\bthe last (?:one |made )?first\b": "the latest first",
    r"\b(?:to|can) be had\b(?! as)": "is available",
    r"\bfor who\b": "for callers that",
    r"\b(?:HTTP|DICOM) face\b": "HTTP interface, DICOM interface",
    r"\bopen product\b": "open application",
    r"\bwhose word counts\b": "whose commitments count",
}

Defined = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(path: Path) -> Iterator[tuple[Defined, str]]:
    """Return the functions of a file that are called as such, with their docstrings."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, Defined):
            continue
        decorators = {getattr(each, "attr", getattr(each, "id", "")) for each in node.decorator_list}
        text = ast.get_docstring(node)
        if text and not decorators & {"property", "cached_property", "computed_field"}:
            yield node, text


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_of_functions_begin_with_a_verb(room: str) -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}: {text.splitlines()[0]}"
        for path in FILES
        if path.is_relative_to(PACKAGE / room)
        for node, text in _functions(path)
        if NOT_A_VERB.match(text)
    ]
    assert found == []


@pytest.mark.parametrize("phrase", HARD_TO_READ)
def test_hard_phrases_are_avoided(phrase: str) -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{number} {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(phrase, line)
    ]
    assert found == [], f"write: {HARD_TO_READ[phrase]}"


def test_the_checks_notice() -> None:
    """What the checks look for is what they find."""
    assert NOT_A_VERB.match("Whether an object is here.")
    assert NOT_A_VERB.match("The rows of a query.")
    assert not NOT_A_VERB.match("Return the rows of a query.")
    assert re.search("|".join(HARD_TO_READ), "After a failure the rest is let pass.")
