"""Code cites laws, terms and variants by pages of the project, and these say what tests do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kinote.keyobject.findings import RULES
from tests.keyobject.variants.table import VARIANTS
from tests.project.pages import names, rows, sections
from tests.project.sources import PACKAGE, ROOT, text_of

#: `V04`, and both ends of `V23 to V25`.
VARIANT = re.compile(r"\bV(\d{2,3})\b")
LAW = re.compile(r"\blaws? (\d+)(?: and (\d+))?\b", re.IGNORECASE)

SOURCES = [
    path
    for folder in (PACKAGE, ROOT / "tests", ROOT / "benchmarks", ROOT / "docs")
    for path in sorted(folder.rglob("*"))
    if path.suffix in (".py", ".md") and path != Path(__file__)
]

LISTED = {row[0]: row for text in sections("variants.md").values() for row in rows(text) if len(row) == 5}
LAWS = {
    heading.removeprefix("Law "): text for heading, text in sections("laws.md").items() if "Law " in heading
}


def _cited(pattern: re.Pattern[str], path: Path) -> set[str]:
    return {number for found in pattern.finditer(text_of(path)) for number in found.groups() if number}


def test_there_are_eleven_laws() -> None:
    assert list(LAWS) == [str(number) for number in range(1, 12)]


def test_cited_laws_exist() -> None:
    cited = {(path, law) for path in SOURCES for law in _cited(LAW, path)}
    assert len(cited) > 50
    assert [(path, law) for path, law in cited if law not in LAWS] == []


def test_cited_variants_exist() -> None:
    cited = {(path, number) for path in SOURCES for number in _cited(VARIANT, path)}
    assert len(cited) > 100
    # Their page says that these are not used.
    unused = {"26", "32"}
    assert [
        (path, number) for path, number in cited if f"V{number}" not in LISTED and number not in unused
    ] == []


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("word", "test"), [("Tests", "test_law"), ("Breaches", "test_breach_of_law")])
def test_a_law_names_files_of_its_tests_and_breaches(law: str, word: str, test: str) -> None:
    defines = re.compile(rf"^def {test}_(?:\d+_and_)?{law}_", re.MULTILINE)
    there = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.name.startswith("test_") and defines.search(text_of(path))
    }
    paragraph = re.search(rf"^{word}: (.*?)\.$", LAWS[law], re.MULTILINE | re.DOTALL)
    listed = set(names(paragraph[1])) if paragraph else set()
    assert listed <= there
    assert bool(listed) == bool(there), "a law that is tested says where"


def test_every_variant_is_listed_with_its_findings() -> None:
    made: dict[str, set[str]] = {}
    for variant in VARIANTS:
        if found := re.match(r"V\d+", variant.id):
            made.setdefault(found[0], set()).update(variant.codes | variant.infos | variant.noted)
    assert list(made) and made.keys() == LISTED.keys()
    for number, codes in made.items():
        listed = set(names(LISTED[number][3]))
        assert codes <= listed <= RULES.keys(), number


def test_nothing_cites_what_is_not_in_the_project() -> None:
    """The pages of the project say all that its comments rely on."""
    foreign = re.compile(r"\(design[,)]|\bof the design\b|\(standards, V|reference/[a-z]+\.md")
    assert [path for path in SOURCES if foreign.search(text_of(path))] == []
